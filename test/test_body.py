# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Optical axes to body axes."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rotation import rotate_covariance
from loftr_vo.ros.body import Body, twist


def pose(rotation_vector=(0, 0, 0), translation=(0, 0, 0)):
    result = np.eye(4)
    result[:3, :3] = Rotation.from_rotvec(rotation_vector).as_matrix()
    result[:3, 3] = translation
    return result


def test_camera_going_forward_is_robot_going_along_x():
    moved = Body().pose(pose(translation=(0, 0, 2.0)))
    np.testing.assert_allclose(moved, pose(translation=(2.0, 0, 0)), atol=1e-12)


def test_camera_going_right_is_robot_going_to_negative_y():
    moved = Body().pose(pose(translation=(1.0, 0, 0)))
    np.testing.assert_allclose(moved[:3, 3], (0, -1.0, 0), atol=1e-12)


def test_camera_turning_right_is_robot_yawing_clockwise():
    # In optical axes y is down, so turning to the right is positive about y.
    turned = Body().pose(pose(rotation_vector=(0, 0.3, 0)))
    np.testing.assert_allclose(turned, pose(rotation_vector=(0, 0, -0.3)), atol=1e-12)


def test_lever_arm_makes_a_turning_camera_a_base_that_moves():
    # The camera sits 1 m before the base; the camera turns on the spot by 90 degrees to the left,
    # so the base swings round it.
    mount = pose(translation=(1.0, 0, 0)) @ Body().base_from_camera
    moved = Body(mount).pose(pose(rotation_vector=(0, -np.pi / 2, 0)))
    np.testing.assert_allclose(moved, pose((0, 0, np.pi / 2), (1.0, -1.0, 0)), atol=1e-12)


def test_covariance_agrees_with_sampled_poses():
    generator = np.random.default_rng(3)
    factor = generator.normal(size=(6, 6)) * 1e-3
    covariance = factor @ factor.T
    world_from_camera = pose((0.2, -0.5, 0.3), (1.0, 2.0, 3.0))
    body = Body(pose((0.1, 0.2, 0.3), (0.5, -0.2, 0.8)) @ Body().base_from_camera)
    mean = body.pose(world_from_camera)
    errors = []
    for sample in generator.multivariate_normal(np.zeros(6), covariance, 20000):
        noisy = world_from_camera.copy()
        noisy[:3, :3] = Rotation.from_rotvec(sample[3:]).as_matrix() @ noisy[:3, :3]
        noisy[:3, 3] += sample[:3]
        noisy = body.pose(noisy)
        rotation = Rotation.from_matrix(noisy[:3, :3] @ mean[:3, :3].T).as_rotvec()
        errors.append(np.concatenate([noisy[:3, 3] - mean[:3, 3], rotation]))
    sampled = np.cov(np.array(errors).T)
    predicted = body.covariance(world_from_camera, covariance)
    assert np.abs(sampled - predicted).max() < 0.05 * np.abs(predicted).max()


def test_twist_is_in_the_axes_of_the_body():
    before = pose((0, 0, np.pi / 2), (5.0, 5.0, 0))
    # One unit along the body's own x axis, which points along y of odom, in half a second.
    now = pose((0, 0, np.pi / 2), (5.0, 6.0, 0))
    np.testing.assert_allclose(twist(before, now, 0.5), (2, 0, 0, 0, 0, 0), atol=1e-12)


def test_twist_has_the_angular_velocity():
    velocity = twist(pose(), pose((0, 0, 0.1)), 0.1)
    np.testing.assert_allclose(velocity, (0, 0, 0, 0, 0, 1.0), atol=1e-12)


@pytest.mark.parametrize('angle', [0.0, 0.7])
def test_rotated_covariance_keeps_its_size(angle):
    covariance = np.diag([1.0, 2, 3, 4, 5, 6])
    rotated = rotate_covariance(covariance, pose((0, 0, angle))[:3, :3])
    np.testing.assert_allclose(np.linalg.eigvalsh(rotated), [1, 2, 3, 4, 5, 6])
