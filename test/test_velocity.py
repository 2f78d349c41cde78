# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The velocity in the odometry message and its covariance."""

import numpy as np
import pytest
from exact_world import pose
from scipy.spatial.transform import Rotation

from loftr_vo.odometry.tracking.camera_step import CameraStep
from loftr_vo.ros.body import Body
from loftr_vo.ros.velocity import UNKNOWN, velocity


def ahead(distance, seconds, variance=1e-4):
    return CameraStep(seconds, pose((0, 0, distance)), variance * np.eye(6))


def test_where_no_step_is_known_no_velocity_is():
    twist, covariance = velocity(None, Body())
    assert not twist.any()
    np.testing.assert_array_equal(covariance, UNKNOWN * np.eye(6))


def test_a_camera_that_goes_ahead_is_a_body_that_goes_along_x():
    twist, covariance = velocity(ahead(0.5, 0.25), Body())
    np.testing.assert_allclose(twist, [2, 0, 0, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(covariance, 16e-4 * np.eye(6), atol=1e-9)


def test_the_covariance_is_the_spread_of_the_twists_of_steps_with_errors_drawn():
    random = np.random.default_rng(2)
    root = random.normal(size=(6, 6)) * 1e-3
    of_step = root @ root.T
    mount = pose((0.5, -0.2, 0.8), (10, 20, 30)) @ Body().base_from_camera
    exact = pose((0.3, 0.1, 0.5), (4, -2, 1))
    twists = []
    for error in random.multivariate_normal(np.zeros(6), of_step, 20000):
        found = exact.copy()
        # In the axes of the later camera: the way, and the turn of that camera.
        found[:3, 3] += exact[:3, :3] @ error[:3]
        turn = Rotation.from_rotvec(exact[:3, :3] @ error[3:]).as_matrix()
        found[:3, :3] = turn @ exact[:3, :3]
        # The way is turned with the camera that it is seen from.
        found[:3, 3] = found[:3, :3] @ exact[:3, :3].T @ found[:3, 3]
        twists.append(velocity(CameraStep(0.1, found, of_step), Body(mount))[0])
    predicted = velocity(CameraStep(0.1, exact, of_step), Body(mount))[1]
    sampled = np.cov(np.array(twists).T)
    assert np.abs(sampled - predicted).max() < 0.05 * np.abs(predicted).max()


def test_the_covariance_is_never_singular():
    _, covariance = velocity(ahead(1.0, 0.1, 0.0), Body())
    assert np.linalg.eigvalsh(covariance).min() > 0.0


def test_the_base_swings_round_a_camera_that_turns():
    mount = pose((1.0, 0, 0)) @ Body().base_from_camera
    step = CameraStep(0.1, pose((0, 0, 0), (-1.0, 0, 0)), np.diag([0, 0, 0, 1e-6, 1e-6, 1e-6]))
    twist, covariance = velocity(step, Body(mount))
    # A degree to the left in a tenth of a second, one metre behind the camera.
    np.testing.assert_allclose(twist[:3], [0, -np.radians(10), 0], atol=2e-3)
    np.testing.assert_allclose(twist[3:], [0, 0, np.radians(10)], atol=1e-9)
    assert covariance[1, 1] == pytest.approx(1e-4, rel=1e-3)
