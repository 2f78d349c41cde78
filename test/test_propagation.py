# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose between two pictures, by the IMU alone, on a motion that is known exactly."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.odometry.inertial.propagation import MovingPose, propagate

RATE = 200
START = 10**9 + 2_000_000  # between two measurements
CAMERA_FROM_IMU = Rotation.from_euler('xyz', [80, -10, 30], degrees=True).as_matrix()
TURN = np.array([0.3, -0.8, 0.5])  # rad/s, in the camera's axes
PUSH = np.array([0.5, -1.0, 2.0])  # m/s^2, in the world
VELOCITY = np.array([1.0, 0.2, -0.3])
GRAVITY = np.array([0.0, 9.81, 0.0])
BIAS = np.array([0.02, 0.01, -0.03])
FIRST = Rotation.from_euler('xyz', [10, 20, 30], degrees=True)


def truth(seconds):
    """Return the pose and the velocity of a camera that turns evenly and is pushed evenly."""
    pose = np.eye(4)
    pose[:3, :3] = (FIRST * Rotation.from_rotvec(TURN * seconds)).as_matrix()
    pose[:3, 3] = VELOCITY * seconds + PUSH * seconds**2 / 2
    return pose, VELOCITY + PUSH * seconds


def measured(seconds):
    stamps = 10**9 + np.arange(round(seconds * RATE) + 1) * (10**9 // RATE)
    forces = [
        CAMERA_FROM_IMU.T @ truth((stamp - START) * 1e-9)[0][:3, :3].T @ (PUSH - GRAVITY)
        for stamp in stamps
    ]
    turns = np.tile(CAMERA_FROM_IMU.T @ TURN + BIAS, (len(stamps), 1))
    return ImuSamples(stamps, turns, np.array(forces))


def start():
    pose, velocity = truth(0.0)
    return MovingPose(START, pose, velocity, 1e-6 * np.eye(6), 1e-4 * np.eye(3))


@pytest.mark.parametrize('seconds', [0.005, 0.1, 0.5])
def test_the_motion_is_followed_with_gravity(seconds):
    samples = measured(seconds)
    now = propagate(start(), samples, CAMERA_FROM_IMU, BIAS, GRAVITY)
    assert now.stamp == samples.stamps[-1]
    pose, velocity = truth((now.stamp - START) * 1e-9)
    np.testing.assert_allclose(now.pose, pose, atol=2e-5)
    np.testing.assert_allclose(now.velocity, velocity, atol=1e-4)


def test_without_gravity_it_turns_and_goes_on_evenly():
    now = propagate(start(), measured(0.1), CAMERA_FROM_IMU, BIAS)
    seconds = (now.stamp - START) * 1e-9
    np.testing.assert_allclose(now.pose[:3, :3], truth(seconds)[0][:3, :3], atol=1e-6)
    np.testing.assert_allclose(now.pose[:3, 3], VELOCITY * seconds, atol=1e-12)
    np.testing.assert_array_equal(now.velocity, VELOCITY)


def test_the_covariance_grows_and_more_so_without_gravity():
    known = propagate(start(), measured(0.1), CAMERA_FROM_IMU, BIAS, GRAVITY)
    unknown = propagate(start(), measured(0.1), CAMERA_FROM_IMU, BIAS)
    longer = propagate(start(), measured(0.5), CAMERA_FROM_IMU, BIAS, GRAVITY)
    assert start().covariance[0, 0] < known.covariance[0, 0] < unknown.covariance[0, 0]
    assert known.covariance[0, 0] < longer.covariance[0, 0]
    assert start().covariance[3, 3] < known.covariance[3, 3] < longer.covariance[3, 3]
    # By the velocity's alone: a standard deviation of 1 cm/s.
    assert known.covariance[0, 0] > 1e-6 + 1e-4 * 0.098**2


def test_the_step_of_a_moment_has_the_velocity():
    now = propagate(start(), measured(0.1), CAMERA_FROM_IMU, BIAS, GRAVITY)
    step = now.step
    pose, velocity = truth((now.stamp - START) * 1e-9)
    np.testing.assert_allclose(
        step.translation / step.seconds, pose[:3, :3].T @ velocity, atol=1e-4
    )
    turned = Rotation.from_matrix(step.motion[:3, :3]).as_rotvec() / step.seconds
    np.testing.assert_allclose(turned, TURN, atol=1e-6)
    sigmas = np.sqrt(np.diag(step.covariance)) / step.seconds
    assert (sigmas[:3] >= 0.01).all()
    np.testing.assert_allclose(sigmas[3:], 0.01)
