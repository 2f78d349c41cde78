# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The odometry goes on as a camera alone where the IMU contradicts the pictures."""

import dataclasses
import math

import numpy as np
import pytest
from exact_world import PERIOD, ExactMatcher, pose
from scipy.spatial.transform import Rotation

from loftr_vo.config import Settings, replace
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State

FRAMES, EVERY = 16, 10  # measurements from one frame to the next
UP = np.array([0.0, -9.81, 0.0])  # in the world, whose y axis points down


def camera_at(index):
    """The camera goes sideways and looks to and fro."""
    return pose((0.04 * index, 0.0, 0.0), (6 * math.sin(0.6 * index), 0.0, 0.0))


@pytest.fixture(scope='module')
def film(world):
    return world.film([camera_at(index) for index in range(FRAMES)])


def with_imu(frames, change=lambda turn, force: (turn, force)):
    """Return the frames with an IMU at the camera, that measures its motion or something else."""
    result = [frames[0]]
    for index in range(1, len(frames)):
        before, now = camera_at(index - 1)[:3, :3], camera_at(index)[:3, :3]
        turn = Rotation.from_matrix(before.T @ now).as_rotvec() / PERIOD
        stamps = np.linspace(frames[index - 1].stamp, frames[index].stamp, EVERY + 1)
        turns, forces = change(turn, now.T @ UP)
        samples = ImuSamples(
            stamps.astype(np.int64),
            np.tile(turns, (EVERY + 1, 1)),
            np.tile(forces, (EVERY + 1, 1)),
        )
        result.append(dataclasses.replace(frames[index], imu=samples))
    return result


def run(world, frames):
    settings = replace(Settings(), {'matcher.device': 'cpu', 'scale.source': 'imu'})
    odometry = VisualOdometry(settings)
    odometry._matcher = odometry._scale._matcher = ExactMatcher(world, noise=0.1)
    odometry.mount_imu(np.eye(4))
    odometry.mount(BODY_FROM_OPTICAL)
    return [odometry.track(frame) for frame in frames]


def test_an_imu_in_degrees_is_named_and_left_out(world, film):
    estimates = run(world, with_imu(film, lambda turn, force: (np.degrees(turn), force)))
    assert estimates[0].imu_fault == ''
    assert estimates[-1].imu_fault.endswith('it is in degrees/s, not in rad/s')
    assert 'IMU left out: the gyroscope measures' in estimates[-1].scale.reason
    assert not estimates[-1].metric
    alone = run(world, film)
    assert estimates[-1].state is alone[-1].state is State.TRACKING
    assert np.array_equal(estimates[-1].pose, alone[-1].pose)


def test_an_imu_that_agrees_is_not_left_out(world, film):
    estimates = run(world, with_imu(film))
    assert {estimate.imu_fault for estimate in estimates} == {''}
