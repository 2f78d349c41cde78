# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The streaming matcher around the network: sizes, pixels, device, precision."""

import dataclasses

import numpy as np
import pytest
import torch
from exact_world import World, camera, pose

from loftr_vo.config import MatcherSettings
from loftr_vo.loftr import LoFTR, LoFTRConfig, load_weights
from loftr_vo.loftr.model import Features
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.matching.matcher import Matcher, _matches
from loftr_vo.matching.raw_matches import PairMatches
from loftr_vo.matching.working_size import PictureError, default_image_size, working_shape

ON_CPU = MatcherSettings(device='cpu')


@pytest.fixture(scope='module')
def pair():
    world = World()
    return [world.see(pose((x, 0.0, 0.0), (2 * x, 0, 0))).image for x in (0.0, 0.15)]


@pytest.fixture(scope='module')
def matcher():
    return Matcher(ON_CPU)


def test_only_large_networks_on_a_gpu_see_large_pictures():
    compact, outdoor = LoFTRConfig.compact().coarse_dim, LoFTRConfig.outdoor().coarse_dim
    assert default_image_size('cuda', outdoor) == 640
    assert {default_image_size('cpu', outdoor), default_image_size('cuda', compact)} == {480}
    assert Matcher(ON_CPU).image_size == 480
    assert Matcher(dataclasses.replace(ON_CPU, image_size=320)).image_size == 320


@pytest.mark.parametrize(
    ('shape', 'image_size', 'expected'),
    [
        ((240, 320), 640, (240, 320)),
        ((480, 640), 640, (480, 640)),
        ((480, 640), 320, (240, 320)),
        ((640, 480), 320, (320, 240)),
        ((370, 1226), 640, (304, 1008)),
        ((241, 323), 640, (240, 320)),
        ((245, 325), 640, (248, 328)),
        ((40, 40), 640, (40, 40)),
    ],
)
def test_the_network_sees_multiples_of_eight(shape, image_size, expected):
    assert working_shape(shape, image_size) == expected


@pytest.mark.parametrize('aspect', [0.4, 0.75, 1.0, 3.3])
def test_a_shrunk_picture_has_the_area_asked_for_and_keeps_its_aspect(aspect):
    for image_size in range(160, 1000, 70):
        height, width = working_shape((round(1500 * aspect), 1500), image_size)
        assert height * width == pytest.approx(0.75 * image_size**2, rel=0.12)
        assert height / width == pytest.approx(aspect, rel=0.08)


@pytest.mark.parametrize('shape', [(16, 16), (20, 320), (320, 20), (1, 1), (0, 5)])
def test_a_tiny_picture_is_refused(matcher, shape):
    with pytest.raises(PictureError, match=f'{shape[1]}x{shape[0]} pixels is too small'):
        matcher.encode(np.zeros(shape, np.uint8))


def test_a_long_picture_shrunk_too_far_is_refused():
    with pytest.raises(PictureError, match='3000x100 pixels is too small'):
        working_shape((100, 3000), 160)


def test_cells_of_a_picture_of_its_own_size_lie_on_their_first_pixel():
    encoded = EncodedImage(Features(torch.empty(1, 1, 2, 3), torch.empty(0)), (16, 24), (16, 24))
    expected = [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]
    assert np.array_equal(encoded.cell_centres(), expected)


def test_cells_of_a_shrunk_picture_lie_in_the_middle_of_what_that_pixel_was():
    """Halved in x, a third in y: pixel 0 came from 0 and 1, and from 0, 1 and 2."""
    encoded = EncodedImage(Features(torch.empty(1, 1, 2, 2), torch.empty(0)), (48, 32), (16, 16))
    assert np.array_equal(encoded.image_pixels_per_network_pixel, [2.0, 3.0])
    expected = [[0.5, 1.0], [16.5, 1.0], [0.5, 25.0], [16.5, 25.0]]
    assert encoded.cell_centres() == pytest.approx(np.array(expected))


def test_pictures_of_one_size_share_their_cells_which_nobody_may_move(matcher, pair):
    first, second = map(matcher.encode, pair)
    assert first.cell_centres() is second.cell_centres()
    with pytest.raises(ValueError, match='read-only'):
        first.cell_centres()[:] += 1


def test_a_match_outside_the_picture_is_left_out():
    picture = EncodedImage(None, (60, 120), (32, 64))
    inside = [0.0, 0.0], [63.0, 31.0], [30.0, 15.5]
    outside = [-0.5, 5.0], [64.0, 5.0], [5.0, -1.0], [5.0, 32.0]
    keypoints1 = np.array([outside[0], *inside, *outside[1:]], np.float32)
    count = len(keypoints1)
    everywhere = PairMatches(
        np.arange(count),
        np.arange(count),
        np.linspace(0.9, 0.3, count, dtype=np.float32),
        keypoints1,
        np.full(count, 0.5, np.float32),
    )
    matches = _matches(everywhere, picture, picture)
    assert matches.cells.tolist() == [1, 2, 3]
    assert matches.confidence == pytest.approx(everywhere.confidence[1:4])
    expected = (np.array(inside) + 0.5) * 1.875 - 0.5
    assert matches.keypoints1 == pytest.approx(expected)
    assert matches.spread == pytest.approx(0.5 * 1.875)
    only = PairMatches(*(rows[1:4] for rows in everywhere))
    assert np.array_equal(_matches(only, picture, picture).keypoints1, matches.keypoints1)


def test_it_matches_as_the_network_does(matcher, pair):
    direct = load_weights('compact').match(*pair)
    streamed = matcher.match(*map(matcher.encode, pair)).result()
    assert len(direct) > 100
    assert np.array_equal(np.sort(streamed.cells), np.sort(direct.cells))
    first, second = (each.select(np.argsort(each.cells)) for each in (streamed, direct))
    assert first.keypoints0 == pytest.approx(second.keypoints0, abs=1e-4)
    assert first.keypoints1 == pytest.approx(second.keypoints1, abs=1e-2)
    assert first.confidence == pytest.approx(second.confidence, abs=1e-3)
    assert first.spread == pytest.approx(second.spread, abs=1e-2)


def test_matches_are_arrays_of_the_promised_types(matcher, pair):
    matches = matcher.match(*map(matcher.encode, pair)).result()
    assert matches.keypoints0.dtype == matches.keypoints1.dtype == np.float32
    assert matches.confidence.dtype == matches.spread.dtype == np.float32
    assert matches.cells.dtype == np.int64
    assert len(np.unique(matches.cells)) == len(matches)
    last = np.array(pair[1].shape[::-1]) - 1
    assert ((matches.keypoints1 >= 0) & (matches.keypoints1 <= last)).all()
    centres = matcher.encode(pair[0]).cell_centres()
    assert matches.keypoints0 == pytest.approx(centres[matches.cells])


def test_a_picture_is_not_changed_by_encoding(matcher, pair):
    before = pair[0].copy()
    matcher.encode(pair[0])
    assert np.array_equal(pair[0], before)


def test_a_released_picture_is_encoded_again_with_the_same_result(pair):
    matcher = Matcher(dataclasses.replace(ON_CPU, image_size=160))
    first, second = (matcher.encode(picture) for picture in pair)
    before = matcher.match(first, second).result()
    first.release()
    assert matcher.encoded == 2
    after = matcher.match(first, second).result()
    assert matcher.encoded == 3
    assert np.array_equal(after.cells, before.cells)
    assert np.array_equal(after.keypoints1, before.keypoints1)


def test_keypoints_of_a_shrunk_picture_are_in_its_own_pixels(pair):
    """A picture matched with itself: every point is found where it is, at any working size."""
    matcher = Matcher(dataclasses.replace(ON_CPU, image_size=240))
    encoded = matcher.encode(pair[0])
    assert encoded.working_shape == (176, 240)
    matches = matcher.match(encoded, encoded).result()
    assert len(matches) > 100
    assert np.abs(np.median(matches.keypoints1 - matches.keypoints0, axis=0)).max() < 0.15


def test_pictures_of_two_sizes_match():
    matcher = Matcher(dataclasses.replace(ON_CPU, image_size=320))
    world = World()
    small = world.see(pose()).image
    large = world.see(pose(), through=camera(640, 480, 520.0)).image
    matches = matcher.match(matcher.encode(small), matcher.encode(large)).result()
    assert len(matches) > 100
    expected = (matches.keypoints0 + 0.5) * 2 - 0.5
    error = matches.keypoints1 - expected
    assert np.median(np.linalg.norm(error, axis=1)) < 1.2
    assert np.abs(np.median(error, axis=0)).max() < 0.4


def test_a_picture_of_nothing_has_next_to_no_matches(matcher, pair):
    black = matcher.encode(np.zeros_like(pair[0]))
    assert len(matcher.match(matcher.encode(pair[0]), black).result()) < 25


def test_the_most_confident_matches_are_kept(matcher, pair):
    few = Matcher(dataclasses.replace(ON_CPU, max_matches=64))
    best = few.match(*map(few.encode, pair)).result()
    everything = matcher.match(*map(matcher.encode, pair)).result()
    assert len(best) == 64
    assert np.sort(best.confidence) == pytest.approx(np.sort(everything.confidence)[-64:])


def test_the_threshold_may_change_while_running(pair):
    matcher = Matcher(ON_CPU)
    encoded = [matcher.encode(image) for image in pair]
    many = matcher.match(*encoded).result()
    matcher.configure(dataclasses.replace(ON_CPU, threshold=0.8))
    sure = matcher.match(*encoded).result()
    assert 0 < len(sure) < len(many)
    assert sure.confidence.min() >= 0.8


def test_a_model_that_is_given_is_used(pair):
    torch.manual_seed(0)
    untrained = LoFTR(LoFTRConfig.compact())
    settings = dataclasses.replace(ON_CPU, weights='no-such-weights')
    matcher = Matcher(settings, untrained)
    matcher.match(*map(matcher.encode, pair)).result()


def test_bfloat16_finds_nearly_the_same(matcher, pair):
    rough = Matcher(dataclasses.replace(ON_CPU, precision='bfloat16'))
    coarse = rough.match(*map(rough.encode, pair)).result()
    exact = matcher.match(*map(matcher.encode, pair)).result()
    shared, at, where = np.intersect1d(coarse.cells, exact.cells, return_indices=True)
    assert len(shared) > 0.7 * len(exact)
    distance = np.linalg.norm(coarse.keypoints1[at] - exact.keypoints1[where], axis=1)
    assert np.median(distance) < 0.2


@pytest.mark.parametrize(
    ('given', 'cores', 'leave', 'expected'),
    [(None, 4, True, [3]), (None, 4, False, [4]), (None, 1, True, [1]), ('4', 4, True, [])],
)
def test_a_network_on_a_cpu_leaves_a_core(matcher, monkeypatch, given, cores, leave, expected):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    if given is not None:
        monkeypatch.setenv('OMP_NUM_THREADS', given)
    asked = []
    monkeypatch.setattr(matcher, '_threads', cores)
    monkeypatch.setattr(matcher._backend, 'use_threads', asked.append)
    matcher.leave_a_core(leave)
    assert asked == expected


def test_the_number_of_threads_is_that_of_the_networks_thread(matcher):
    backend = matcher._backend
    before = backend._thread.submit(torch.get_num_threads).result()
    try:
        for threads in (1, 2):
            backend.use_threads(threads)
            assert backend._thread.submit(torch.get_num_threads).result() == threads
    finally:
        backend.use_threads(before)
