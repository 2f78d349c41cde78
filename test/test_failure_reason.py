# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The reason of a lost frame."""

from types import SimpleNamespace

import numpy as np
import pytest
from exact_world import World, pose

from loftr_vo.imaging.image_quality import hidden
from loftr_vo.odometry.map.motion import MotionError
from loftr_vo.odometry.tracking.failure_reason import failure_reason
from loftr_vo.synthetic import disturbance

NO_MATCHES = MotionError('too few inliers: only 3 matches', 3)


@pytest.fixture(scope='module', params=[0, 3, 5])
def good(request):
    return World(seed=request.param).see(pose())


def keyframe(frame):
    return SimpleNamespace(frame=frame)


def after(happens, frame):
    return happens(frame, np.random.default_rng(1)).image


@pytest.mark.parametrize(
    ('happens', 'word'),
    [
        (disturbance.darkened, 'covered'),
        (disturbance.dazzled, 'blank'),
        (disturbance.covered(), 'covered'),
        (disturbance.covered(0.8), 'covered'),
        (disturbance.smeared, 'blur'),
    ],
)
def test_the_reason_begins_with_the_kind_of_trouble(good, happens, word):
    reason = failure_reason(NO_MATCHES, after(happens, good), keyframe(good), 500)
    assert reason.split(':')[0] == word
    assert len(reason) > len(word) + 5


def test_a_good_picture_of_another_place_is_a_jump(good):
    elsewhere = World(seed=9).see(pose())
    reason = failure_reason(NO_MATCHES, elsewhere.image, keyframe(good), 500)
    assert reason.startswith('jump')
    assert '3 matches' in reason


def test_matches_enough_that_do_not_agree_are_a_jump_too(good):
    error = MotionError('too few inliers: only 12 of 400 matches agree with one motion', 12)
    assert failure_reason(error, good.image, keyframe(good), 500).startswith('jump')


def test_matches_that_disagree_are_too_few_inliers(good):
    error = MotionError('too few inliers: only 90 of 400 matches agree with one motion', 90)
    assert failure_reason(error, good.image, keyframe(good), 500) == str(error)


def test_a_place_with_few_matches_from_the_start_is_no_jump(good):
    assert failure_reason(NO_MATCHES, good.image, keyframe(good), 8) == str(NO_MATCHES)


def test_a_picture_of_another_size_is_called_that(good):
    error = MotionError('the picture is 64x48, the keyframe 320x240 pixels')
    assert failure_reason(error, good.image[:48, :64], keyframe(good), 500) == str(error)


@pytest.mark.parametrize('share', [0.25, 0.5, 0.75])
def test_the_hidden_share_of_the_view_is_measured(good, share):
    seen = after(disturbance.covered(share), good)
    # The edge of what hides it is soft, and is something to be seen itself.
    assert share - 0.2 < hidden(seen, good.image) < share + 0.05


def test_less_light_is_no_covered_lens(good):
    dim = (good.image * 0.3).astype(np.uint8)
    assert hidden(dim, good.image) < 0.3
