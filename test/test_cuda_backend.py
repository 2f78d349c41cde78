# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The order of work on a GPU, tried on the CPU; and on a GPU where there is one."""

import contextlib
import dataclasses
import gc
import weakref
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from deferred_runtime import DeferredRuntime
from exact_world import World, pose

from loftr_vo.config import MatcherSettings
from loftr_vo.matching import cuda_graphs
from loftr_vo.matching.cpu_backend import CpuBackend
from loftr_vo.matching.cuda_backend import CudaBackend
from loftr_vo.matching.cuda_runtime import CudaRuntime
from loftr_vo.matching.device import DeviceMemoryError
from loftr_vo.matching.matcher import Matcher
from loftr_vo.matching.resizing import DeviceResizing

CPU = torch.device('cpu')
SHAPE = (96, 128)
COUNT = 150


@pytest.fixture(scope='module')
def pictures():
    world = World()
    views = [world.see(pose((x, 0.0, 0.0), (2 * x, 0, 0))).image for x in np.linspace(0, 0.2, 6)]
    return [np.ascontiguousarray(view[: SHAPE[0], : SHAPE[1]]) for view in views]


@pytest.fixture(scope='module')
def expected(pictures):
    """Matches of the first picture with each, one after the other."""
    plain = CpuBackend('compact', torch.float32)
    return matched_on_the_host(plain, pictures)


def matched_on_the_host(plain, pictures):
    features = [plain.encode(picture, SHAPE) for picture in pictures]
    matches = [plain.match(features[0], each, SHAPE, SHAPE, COUNT).result() for each in features]
    assert all(len(each.cells0) > 30 for each in matches)
    return [points_of(each) for each in matches]


def points_of(pair):
    columns = [pair.cells0, pair.cells1, pair.keypoints1, pair.confidence]
    return np.column_stack(columns)[pair.cells0.argsort()]


def same(pair, points):
    ours = points_of(pair)
    return ours.shape == points.shape and np.allclose(ours, points, atol=1e-3)


def matched_with_the_first(execution, pictures):
    """Match pictures with the first one; each is written over while it may be in use."""
    keyframe = execution.encode(pictures[0], SHAPE)
    pending = []
    for picture in pictures:
        written_over = picture.copy()
        features = execution.encode(written_over, SHAPE)
        written_over[:] = 0
        pending.append(execution.match(keyframe, features, SHAPE, SHAPE, COUNT))
    return pending


@pytest.mark.parametrize('graphs', [True, False])
@pytest.mark.parametrize('seed', range(5))
def test_whatever_runs_first_the_matches_are_the_same(pictures, expected, seed, graphs):
    runtime = DeferredRuntime(seed, graphs)
    execution = CudaBackend('compact', torch.float32, CPU, runtime)
    pending = matched_with_the_first(execution, pictures)
    runtime.random.shuffle(order := list(range(len(pictures))))
    for index in order:
        assert same(pending[index].result(), expected[index])


SIZES = [(171, 128), (120, 100), (256, 191), (171, 128), (125, 98)]


@pytest.fixture(scope='module')
def of_other_sizes(pictures):
    """As a camera would give them; the first has the size that the network sees."""
    return [
        pictures[0],
        *(
            cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
            for picture, size in zip(pictures[1:], SIZES, strict=True)
        ),
    ]


@pytest.mark.parametrize('graphs', [True, False])
@pytest.mark.parametrize('seed', range(3))
def test_pictures_are_resized_on_the_way(of_other_sizes, seed, graphs):
    seen = [
        DeviceResizing(each.shape, SHAPE, CPU)(torch.from_numpy(each)[None, None])[0, 0].numpy()
        for each in of_other_sizes
    ]
    points = matched_on_the_host(CpuBackend('compact', torch.float32), seen)
    runtime = DeferredRuntime(seed, graphs)
    execution = CudaBackend('compact', torch.float32, CPU, runtime)
    pending = matched_with_the_first(execution, of_other_sizes)
    runtime.random.shuffle(order := list(range(len(pending))))
    for index in order:
        assert same(pending[index].result(), points[index])


def test_host_and_device_resize_alike(of_other_sizes):
    """Grey levels that are rounded otherwise move a match by less than it is known to."""
    first, second = of_other_sizes[0], of_other_sizes[3]
    results = []
    for execution in (
        CpuBackend('compact', torch.float32),
        CudaBackend('compact', torch.float32, CPU, DeferredRuntime()),
    ):
        features = [execution.encode(each, SHAPE) for each in (first, second)]
        results.append(points_of(execution.match(*features, SHAPE, SHAPE, COUNT).result()))
    host, device = results
    assert len(host) > 100
    _, at0, at1 = np.intersect1d(host[:, 0], device[:, 0], return_indices=True)
    assert len(at0) >= 0.98 * max(len(host), len(device))
    assert np.abs(host[at0, 2:4] - device[at1, 2:4]).max() < 0.1


def test_the_first_picture_may_change_from_match_to_match(pictures, expected):
    """Also back to one that was there before, and to one that is thrown away at once."""
    plain = CpuBackend('compact', torch.float32)
    other = matched_on_the_host(plain, pictures[1:])
    for seed in range(5):
        runtime = DeferredRuntime(seed)
        execution = CudaBackend('compact', torch.float32, CPU, runtime)
        first = execution.encode(pictures[0], SHAPE)
        pending = [
            execution.match(
                first if index % 2 else execution.encode(pictures[1], SHAPE),
                execution.encode(pictures[2 + index // 2], SHAPE),
                SHAPE,
                SHAPE,
                COUNT,
            )
            for index in range(8)
        ]
        for index, each in enumerate(pending):
            points = expected[2 + index // 2] if index % 2 else other[1 + index // 2]
            assert same(each.result(), points)


def test_features_of_the_same_first_picture_are_copied_once(pictures):
    runtime = DeferredRuntime()
    execution = CudaBackend('compact', torch.float32, CPU, runtime)
    keyframe = execution.encode(pictures[0], SHAPE)
    frames = [execution.encode(picture, SHAPE) for picture in pictures[1:3]]
    execution.match(keyframe, frames[0], SHAPE, SHAPE, COUNT).result()
    with torch.inference_mode():
        keyframe.tensors.tokens.zero_()
    assert len(execution.match(keyframe, frames[1], SHAPE, SHAPE, COUNT).result().cells0) > 30


def test_the_memory_of_features_waits_for_the_matches_that_read_them(pictures):
    runtime = DeferredRuntime()
    execution = CudaBackend('compact', torch.float32, CPU, runtime)
    features = execution.encode(pictures[0], SHAPE)
    execution.wait(features)
    for tensor in features.tensors:
        assert any(
            each is tensor and of is execution._streams.match for each, of in runtime.shared
        )


@pytest.mark.parametrize('dropped', ['copy waits', 'encode waits', 'match waits'])
def test_a_missing_wait_is_noticed(pictures, expected, dropped):
    """What the tests above rely on: that they would fail."""
    wrong = 0
    for seed in range(5):
        runtime = DeferredRuntime(seed)
        execution = CudaBackend('compact', torch.float32, CPU, runtime)
        stream = {
            'copy waits': execution._streams.copy,
            'encode waits': execution._streams.encode,
            'match waits': execution._streams.match,
        }[dropped]
        stream.wait_event = lambda event: None
        try:
            keyframe = execution.encode(pictures[0], SHAPE)
            pending = [
                execution.match(keyframe, execution.encode(picture, SHAPE), SHAPE, SHAPE, COUNT)
                for picture in pictures
            ]
            wrong += not all(map(same, (each.result() for each in pending), expected))
        except (AssertionError, TypeError):  # features that are not there
            wrong += 1
    assert wrong


def test_nothing_waits_until_a_result_is_asked_for(pictures):
    runtime = DeferredRuntime()
    execution = CudaBackend('compact', torch.float32, CPU, runtime)
    features = [execution.encode(picture, SHAPE) for picture in pictures[:3]]
    pending = execution.match(features[0], features[2], SHAPE, SHAPE, COUNT)
    assert not any(event.passed for event in (each.ready for each in features))
    pending.result()
    assert features[2].ready.passed


def test_memory_is_allocated_once_and_calls_are_recorded_once(pictures):
    runtime = DeferredRuntime()
    execution = CudaBackend('compact', torch.float32, CPU, runtime)
    keyframe = execution.encode(pictures[0], SHAPE)
    counts = []
    for turn in range(12):
        features = execution.encode(pictures[turn % 6], SHAPE)
        execution.match(keyframe, features, SHAPE, SHAPE, COUNT)  # never asked for
        execution.match(keyframe, features, SHAPE, SHAPE, COUNT).result()
        counts.append((runtime.allocated, runtime.recorded))
    assert counts[2] == counts[-1]
    assert counts[-1][1] == 2


def test_few_sizes_are_kept(pictures):
    execution = CudaBackend('compact', torch.float32, CPU, DeferredRuntime())
    for height in range(32, 96, 8):
        execution.wait(execution.encode(pictures[0][:height], (height, SHAPE[1])))
    for width in range(32, 128, 8):
        execution.wait(execution.encode(pictures[0], (SHAPE[0], width)))
    assert len(execution._encoders) == 4


def test_threshold_changes_between_matches(pictures):
    execution = CudaBackend('compact', torch.float32, CPU, DeferredRuntime())
    features = [execution.encode(picture, SHAPE) for picture in pictures[:2]]
    many = execution.match(*features, SHAPE, SHAPE, COUNT)
    execution.set_threshold(0.8)
    few = execution.match(*features, SHAPE, SHAPE, COUNT)
    assert few.result().confidence.min() > 0.8
    assert len(many.result().cells0) > len(few.result().cells0) > 0


def test_a_graph_keeps_what_it_reads(monkeypatch):
    """A graph knows addresses; whose memory these are is nothing to it."""
    monkeypatch.setattr(torch.cuda, 'CUDAGraph', lambda: None)
    monkeypatch.setattr(torch.cuda, 'graph', lambda *_, **__: contextlib.nullcontext())
    weights = torch.ones(1)
    kept = weakref.ref(weights)

    def add_to(weights):
        return lambda x: (x + weights,)

    stream = SimpleNamespace(synchronize=lambda: None)
    call = cuda_graphs.GraphCall(add_to(weights), [torch.zeros(1)], stream)
    del weights
    gc.collect()
    assert kept() is not None
    del call
    gc.collect()
    assert kept() is None


def test_convolutions_are_looked_for_only_where_something_is_launched():
    def settings(*_):
        chosen = torch.backends.cudnn
        return chosen.benchmark, chosen.allow_tf32

    before = settings()
    call = CudaRuntime(torch.device('cuda'), graphs=False).record(settings, [], stream=None)
    assert settings() == before != (True, False)
    assert call() == (True, False)
    assert settings() == before


def test_what_cannot_be_recorded_is_called_as_it_is(monkeypatch, caplog):
    def refuse(*_):
        raise RuntimeError('CUDA error: operation not permitted when stream is capturing\nmore')

    monkeypatch.setattr(cuda_graphs, 'GraphCall', refuse)
    call = cuda_graphs.record(lambda x: (x + 1,), [torch.zeros(1)], stream=None)
    assert call(torch.ones(1))[0].item() == 2
    assert 'no CUDA graph' in caplog.text


def test_too_little_memory_is_no_reason_to_go_without_a_graph(monkeypatch):
    def refuse(*_):
        raise torch.OutOfMemoryError('CUDA out of memory')

    monkeypatch.setattr(cuda_graphs, 'GraphCall', refuse)
    with pytest.raises(torch.OutOfMemoryError):
        cuda_graphs.record(lambda x: (x,), [torch.zeros(1)], stream=None)


@pytest.mark.gpu
class TestOnGpu:
    def test_graphs_and_plain_calls_match_as_the_host(self, pictures, expected):
        device = torch.device('cuda')
        for graphs in (True, False):
            runtime = CudaRuntime(device, graphs)
            execution = CudaBackend('compact', torch.float32, device, runtime)
            features = [execution.encode(picture, SHAPE) for picture in pictures]
            pending = [
                execution.match(features[0], each, SHAPE, SHAPE, COUNT) for each in features
            ]
            for raw, points in zip(pending, expected, strict=True):
                ours = points_of(raw.result())
                assert len(ours) == pytest.approx(len(points), rel=0.02)
                shared = np.intersect1d(ours[:, 0], points[:, 0])
                assert len(shared) > 0.98 * len(points)

    def test_memory_stays_flat(self, pictures):
        matcher = Matcher(MatcherSettings(device='cuda'))
        keyframe = matcher.encode(pictures[0])
        held = []
        for turn in range(10_000):
            encoded = matcher.encode(pictures[turn % len(pictures)])
            matcher.match(keyframe, encoded).result()
            if turn in (100, 9999):
                held.append(torch.cuda.memory_reserved())
        assert held[0] == held[1]

    def test_nothing_waits_for_the_device_but_the_result(self, pictures):
        matcher = Matcher(MatcherSettings(device='cuda'))
        keyframe = matcher.encode(pictures[0])
        matcher.match(keyframe, keyframe).result()
        torch.cuda.set_sync_debug_mode('error')
        try:
            pending = matcher.match(keyframe, matcher.encode(pictures[1]))
        finally:
            torch.cuda.set_sync_debug_mode('default')
        assert len(pending.result()) > 30

    def test_too_little_memory_is_said_and_got_over(self, pictures):
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(0.005)
        large = np.zeros((1536, 2048), np.uint8)
        matcher = Matcher(MatcherSettings(device='cuda', image_size=2048))
        try:
            with pytest.raises(DeviceMemoryError, match='image_size'):
                encoded = matcher.encode(large)
                matcher.match(encoded, encoded).result()
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        encoded = matcher.encode(large)
        assert len(matcher.match(encoded, encoded).result()) == 0
        encoded = matcher.encode(pictures[0])
        assert len(matcher.match(encoded, encoded).result()) > 30

    @pytest.mark.parametrize('precision', ['float16', 'bfloat16'])
    def test_half_precision_matches_as_float32(self, pictures, precision):
        settings = MatcherSettings(device='cuda', precision='float32')
        exact = Matcher(settings)
        half = Matcher(dataclasses.replace(settings, precision=precision))
        ours, plain = (
            each.match(*map(each.encode, pictures[:2])).result() for each in (half, exact)
        )
        assert len(np.intersect1d(ours.cells, plain.cells)) >= 0.97 * len(plain)
