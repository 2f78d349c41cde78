# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The order of work on a GPU, tried on the CPU; and on a GPU where there is one."""

import dataclasses

import numpy as np
import pytest
import torch
from deferred_runtime import DeferredRuntime
from exact_world import World, pose

from loftr_vo import cuda_graphs
from loftr_vo.config import MatcherSettings
from loftr_vo.cuda_execution import CudaExecution, pack, unpack
from loftr_vo.cuda_runtime import CudaRuntime
from loftr_vo.host_execution import HostExecution
from loftr_vo.loftr.model import RawMatches
from loftr_vo.matcher import Matcher

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
    plain = HostExecution('compact', torch.float32)
    features = [plain.encode(picture) for picture in pictures]
    matches = [plain.match(features[0], each, SHAPE, SHAPE, COUNT).result() for each in features]
    assert all(each.valid.sum() > 30 for each in matches)
    return [points_of(each) for each in matches]


def points_of(raw):
    valid = raw.valid[0]
    order = raw.cells0[0][valid].argsort()
    return torch.column_stack(
        [
            raw.cells0[0][valid][order],
            raw.cells1[0][valid][order],
            raw.keypoints1[0][valid][order],
            raw.confidence[0][valid][order],
        ]
    )


def same(raw, points):
    ours = points_of(raw)
    return ours.shape == points.shape and torch.allclose(ours, points, atol=1e-3)


@pytest.mark.parametrize('graphs', [True, False])
@pytest.mark.parametrize('seed', range(5))
def test_whatever_runs_first_the_matches_are_the_same(pictures, expected, seed, graphs):
    runtime = DeferredRuntime(seed, graphs)
    execution = CudaExecution('compact', torch.float32, CPU, runtime)
    keyframe = execution.encode(pictures[0])
    pending = []
    for picture in pictures:
        written_over = picture.copy()
        features = execution.encode(written_over)
        written_over[:] = 0
        pending.append(execution.match(keyframe, features, SHAPE, SHAPE, COUNT))
    runtime.random.shuffle(order := list(range(len(pictures))))
    for index in order:
        assert same(pending[index].result(), expected[index])


@pytest.mark.parametrize('dropped', ['copy waits', 'encode waits', 'match waits'])
def test_a_missing_wait_is_noticed(pictures, expected, dropped):
    """What the tests above rely on: that they would fail."""
    wrong = 0
    for seed in range(5):
        runtime = DeferredRuntime(seed)
        execution = CudaExecution('compact', torch.float32, CPU, runtime)
        stream = {
            'copy waits': execution._copy,
            'encode waits': execution._encode,
            'match waits': execution._match,
        }[dropped]
        stream.wait_event = lambda event: None
        try:
            keyframe = execution.encode(pictures[0])
            pending = [
                execution.match(keyframe, execution.encode(picture), SHAPE, SHAPE, COUNT)
                for picture in pictures
            ]
            wrong += not all(map(same, (each.result() for each in pending), expected))
        except (AssertionError, TypeError):  # features that are not there
            wrong += 1
    assert wrong


def test_nothing_waits_until_a_result_is_asked_for(pictures):
    runtime = DeferredRuntime()
    execution = CudaExecution('compact', torch.float32, CPU, runtime)
    features = [execution.encode(picture) for picture in pictures[:3]]
    pending = execution.match(features[0], features[2], SHAPE, SHAPE, COUNT)
    assert not any(event.passed for event in (each.ready for each in features))
    pending.result()
    assert features[2].ready.passed


def test_memory_is_allocated_once_and_calls_are_recorded_once(pictures):
    runtime = DeferredRuntime()
    execution = CudaExecution('compact', torch.float32, CPU, runtime)
    keyframe = execution.encode(pictures[0])
    counts = []
    for turn in range(12):
        features = execution.encode(pictures[turn % 6])
        execution.match(keyframe, features, SHAPE, SHAPE, COUNT)  # never asked for
        execution.match(keyframe, features, SHAPE, SHAPE, COUNT).result()
        counts.append((runtime.allocated, runtime.recorded))
    assert counts[2] == counts[-1]
    assert counts[-1][1] == 2


def test_few_sizes_are_kept(pictures):
    execution = CudaExecution('compact', torch.float32, CPU, DeferredRuntime())
    for height in range(32, 96, 8):
        execution.wait(execution.encode(np.ascontiguousarray(pictures[0][:height])))
    assert len(execution._encoders) == len(execution._uploads) == 4


def test_threshold_changes_between_matches(pictures):
    execution = CudaExecution('compact', torch.float32, CPU, DeferredRuntime())
    features = [execution.encode(picture) for picture in pictures[:2]]
    many = execution.match(*features, SHAPE, SHAPE, COUNT)
    execution.set_threshold(0.8)
    few = execution.match(*features, SHAPE, SHAPE, COUNT)
    assert few.result().confidence[few.result().valid].min() > 0.8
    assert many.result().valid.sum() > few.result().valid.sum() > 0


def test_packing_loses_nothing():
    raw = RawMatches(
        torch.tensor([[5, 16_000_001]]),
        torch.tensor([[7, 3]]),
        torch.tensor([[0.9, 0.0]]),
        torch.tensor([[True, False]]),
        torch.tensor([[[1.5, 2.5], [3.25, 4.75]]]),
        torch.tensor([[0.1, 0.2]]),
    )
    for before, after in zip(raw, unpack(pack(raw)), strict=True):
        assert after.dtype == before.dtype
        assert torch.equal(before, after)


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
            execution = CudaExecution('compact', torch.float32, device, runtime)
            features = [execution.encode(picture) for picture in pictures]
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

    @pytest.mark.parametrize('precision', ['float16', 'bfloat16'])
    def test_half_precision_matches_as_float32(self, pictures, precision):
        settings = MatcherSettings(device='cuda', precision='float32')
        exact = Matcher(settings)
        half = Matcher(dataclasses.replace(settings, precision=precision))
        ours, plain = (
            each.match(*map(each.encode, pictures[:2])).result() for each in (half, exact)
        )
        assert len(np.intersect1d(ours.cells, plain.cells)) >= 0.97 * len(plain)
