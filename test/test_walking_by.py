# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Somebody walks by a camera that rests: its pose does not move."""

import functools

import numpy as np
import pytest

from loftr_vo.config import Settings, replace
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State
from loftr_vo.synthetic.places import HALT
from loftr_vo.synthetic.sequence import SyntheticSequence

RATE = 10.0
# Seconds at which they are in the middle of the view; the camera rests since a second before they
# come in.
THERE = HALT + 2.0
COMING = round((THERE - 1.0) * RATE)  # the first frame that may show them


@functools.cache
def alone(contrast):
    """Return the frames before anybody comes, which are the same whoever does."""
    return list(SyntheticSequence('rest', COMING, seed=2, contrast=contrast))


@pytest.mark.slow
@pytest.mark.parametrize('hidden', [0.2, 0.4, 0.6])
@pytest.mark.parametrize('contrast', [0.3, 1.0])
def test_the_pose_of_a_resting_camera_stays(hidden, contrast):
    sequence = SyntheticSequence(
        'rest', 48, seed=2, contrast=contrast, hidden=hidden, hidden_since=THERE
    )
    settings = {'matcher.device': 'cpu', 'matcher.image_size': 320}
    odometry = VisualOdometry(replace(Settings(), settings))
    assert np.array_equal(sequence.frame(COMING - 1).image, alone(contrast)[-1].image)
    coming = [sequence.frame(index) for index in range(COMING, len(sequence))]
    estimates = [odometry.track(frame) for frame in alone(contrast) + coming]
    resting = estimates[COMING:]
    assert estimates[round(HALT * RATE)].state is State.TRACKING
    poses = np.array([estimate.pose for estimate in resting])
    np.testing.assert_allclose(poses, poses[:1].repeat(len(poses), axis=0), atol=1e-9)
