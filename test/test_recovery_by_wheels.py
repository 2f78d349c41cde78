# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A rendered camera on wheels through a black second: ``recovery.policy`` odometry."""

import dataclasses

import numpy as np
import pytest

from loftr_vo.config import Settings, replace
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State
from loftr_vo.synthetic.sequence import SyntheticSequence

FIRST_DARK, DARK, COUNT = 8, 10, 22  # frames, at ten a second


@pytest.mark.slow
def test_a_black_second_costs_no_more_than_the_wheels_error():
    sequence = SyntheticSequence('room', COUNT, (144, 192), seed=4)
    sequence.provide('depth')
    sequence.provide('odometry')
    settings = {
        'matcher.device': 'cpu',
        'matcher.image_size': 192,
        'scale.source': 'depth',
        'recovery.policy': 'odometry',
    }
    odometry = VisualOdometry(replace(Settings(), settings))
    said = []
    for index in range(COUNT):
        frame = sequence.frame(index)
        if FIRST_DARK <= index < FIRST_DARK + DARK:
            frame = dataclasses.replace(frame, image=np.zeros_like(frame.image), depth=None)
        said.append(odometry.track(frame))
        odometry.finish()
    dark = said[FIRST_DARK : FIRST_DARK + DARK]
    assert all(each.state is State.LOST for each in dark)
    truth = sequence.ground_truth.poses
    last = FIRST_DARK + DARK - 1
    by_wheels = _error_of_wheels(sequence, FIRST_DARK - 1, last)
    way = np.linalg.norm(np.diff(truth[FIRST_DARK - 1 : last + 1, :3, 3], axis=0), axis=1).sum()
    before, after = (_error(said[index], truth, index) for index in (FIRST_DARK - 1, last))
    assert way > 0.3
    assert after < before + by_wheels + 0.03 * way
    assert _error(said[-1], truth, COUNT - 1) < 2 * before + 0.03 * way + by_wheels
    assert after < 2 * np.sqrt(np.trace(said[last].covariance[:3, :3]))


def _error(estimate, truth, index):
    true = np.linalg.inv(truth[0]) @ truth[index]
    return float(np.linalg.norm(estimate.pose[:3, 3] - true[:3, 3]))


def _error_of_wheels(sequence, first, last):
    """Metres by which the wheels are wrong from one frame to another."""
    stamps, wheels = sequence.wheels.stamps, sequence.wheels.poses
    places = [
        wheels[np.searchsorted(stamps, sequence.ground_truth.stamps[index])]
        for index in (first, last)
    ]
    moved = np.linalg.inv(places[0]) @ places[1]
    truth = sequence.ground_truth.poses
    true = np.linalg.inv(truth[first]) @ truth[last]
    return abs(np.linalg.norm(moved[:3, 3]) - np.linalg.norm(true[:3, 3]))
