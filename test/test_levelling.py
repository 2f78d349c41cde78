# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""`odom` becomes level, at once where nothing was published and else without a jump."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.ros.body import Body, StartPose
from loftr_vo.ros.levelling import Levelling

# The IMU has the axes of a body; the camera looks along x, and is tilted.
IMU_FROM_CAMERA = BODY_FROM_OPTICAL
TILT = Rotation.from_euler('xy', [20, -10], degrees=True).as_matrix()  # level from base, at first
UP = TILT.T @ [0.0, 0.0, 1.0]  # in the base at first, and so in odom


def estimate(position=(0.0, 0.0, 0.0), gravity=None):
    """Gravity is given in odom, as the base was at first."""
    pose = np.eye(4)
    pose[:3, 3] = position
    made = Estimate(10**9, State.TRACKING, '', pose, np.eye(6))
    if gravity is None:
        return made
    return dataclasses.replace(made, gravity=BODY_FROM_OPTICAL[:3, :3].T @ gravity)


def samples(force):
    stamps = 10**9 + 5_000_000 * np.arange(20)
    return ImuSamples(stamps, np.zeros((20, 3)), np.tile(force, (20, 1)))


def tilt_of(body):
    """Degrees between the z axis of odom and up."""
    up = body.odom_from_world[:3, :3] @ BODY_FROM_OPTICAL[:3, :3].T @ UP
    return math.degrees(math.acos(min(1.0, up[2])))


def test_the_first_pose_is_level_by_the_specific_force():
    levelling, body = Levelling(), Body()
    start = levelling.new_start(estimate(), body, samples(9.81 * UP), IMU_FROM_CAMERA)
    level = Body(start=start)
    assert tilt_of(body) == pytest.approx(22.3, abs=0.1)
    assert tilt_of(level) == pytest.approx(0.0, abs=1e-5)
    np.testing.assert_allclose(start.pose[:3, 3], 0.0, atol=1e-12)
    # Turned about a level axis: the heading stays.
    heading = Rotation.from_matrix(start.pose[:3, :3]).as_rotvec()
    assert abs(heading[2]) < 1e-9
    assert math.isnan(levelling.tilt)


@pytest.mark.parametrize(
    ('given', 'mounted'),
    [(samples(12.0 * UP), IMU_FROM_CAMERA), (None, IMU_FROM_CAMERA), (samples(9.81 * UP), None)],
)
def test_what_is_not_gravity_is_not_taken(given, mounted):
    assert Levelling().new_start(estimate(), Body(), given, mounted) is None


def test_later_it_is_turned_slowly_about_the_robot():
    levelling = Levelling()
    place = np.array([3.0, 1.0, -2.0])
    body = Body(start=StartPose(np.eye(4), np.diag([1.0, 2, 3, 0, 0, 0])))
    now = estimate(place, gravity=-UP)
    before, tilts = body.pose(now.pose), []
    for _ in range(500):
        body = Body(start=levelling.new_start(now, body, None, IMU_FROM_CAMERA))
        tilts.append(tilt_of(body))
        pose = body.pose(now.pose)
        np.testing.assert_allclose(pose[:3, 3], before[:3, 3], atol=1e-9)
    assert np.diff(tilts[:440]) == pytest.approx(-0.05, abs=1e-3)
    assert tilts[-1] == pytest.approx(0.0, abs=1e-5)
    assert levelling.tilt == pytest.approx(0.0, abs=1e-6)
    assert np.trace(body.start.covariance) == pytest.approx(6.0)


def test_a_pose_that_was_set_is_not_replaced_at_once():
    levelling = Levelling()
    levelling.begin(is_open=False)
    body = Body(start=StartPose(np.eye(4), np.eye(6)))
    assert levelling.new_start(estimate(), body, samples(9.81 * UP), IMU_FROM_CAMERA) is None
    turned = Body(start=levelling.new_start(estimate(gravity=-UP), body, None, IMU_FROM_CAMERA))
    assert tilt_of(turned) == pytest.approx(tilt_of(body) - 0.05, abs=1e-3)


def test_an_odometry_that_goes_on_is_not_turned_at_once():
    given = samples(9.81 * UP)
    assert Levelling().new_start(estimate((1, 0, 0)), Body(), given, IMU_FROM_CAMERA) is None


def test_upside_down_is_turned_too():
    body = Body()
    start = Levelling().new_start(
        estimate(), body, samples(np.array([0.0, 0.0, -9.81])), IMU_FROM_CAMERA
    )
    up = start.pose[:3, :3] @ [0.0, 0.0, -1.0]
    np.testing.assert_allclose(up, [0.0, 0.0, 1.0], atol=1e-12)
