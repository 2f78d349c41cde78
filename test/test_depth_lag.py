# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images that are taken a little after their pictures, while the camera turns."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.config import Settings, replace
from loftr_vo.odometry import VisualOdometry
from loftr_vo.synthetic.sequence import SyntheticSequence

RATE = 120.0
# Steps of 1/120 s: from picture to picture, and from a picture to its depth image.
PERIOD, LAG = 4, 2
FRAMES = 30


@pytest.fixture(scope='module')
def swung():
    """Pictures of a camera that a hand swings, with late depth images, and their true poses."""
    sequence = SyntheticSequence('swing', PERIOD * FRAMES, rate=RATE)
    late = [
        dataclasses.replace(
            sequence.frame(index),
            depth=sequence.frame(index + LAG).depth,
            depth_lag=round(LAG / RATE * 1e9),
        )
        for index in range(0, PERIOD * FRAMES, PERIOD)
    ]
    return late, sequence.ground_truth.poses[::PERIOD]


def error(pictures, true):
    """Root mean square of the positions' errors in metres, from the first picture on."""
    odometry = VisualOdometry(
        replace(Settings(), {'scale.source': 'depth', 'geometry.readout_time': 0.0})
    )
    poses = np.stack([each.pose for each in odometry.stream(pictures)])
    off = (np.linalg.inv(true[0]) @ true)[:, :3, 3] - poses[:, :3, 3]
    return float(np.sqrt(np.mean(np.sum(off**2, axis=1))))


def test_depth_is_looked_up_where_things_were_when_it_was_taken(swung):
    late, true = swung
    on_time, early = (
        [dataclasses.replace(frame, depth_lag=times * frame.depth_lag) for frame in late]
        for times in (0, -1)
    )
    assert error(late, true) < 0.85 * error(on_time, true)
    assert error(late, true) < 0.4 * error(early, true)


def test_the_camera_of_the_test_turns_fast(swung):
    _, true = swung
    steps = Rotation.from_matrix(np.swapaxes(true[:-1, :3, :3], 1, 2) @ true[1:, :3, :3])
    assert np.median(steps.magnitude()) * RATE / PERIOD > 0.5  # radians a second
