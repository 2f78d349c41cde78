# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pose and rotation during readout from one rolling-shutter picture, on known points."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.reprojection import MatchArrays
from loftr_vo.geometry.rigid_motion import split, transform
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_refinement import refine_pose
from loftr_vo.odometry.rolling_shutter.model import NO_ROTATION, to_middle_row
from loftr_vo.odometry.rolling_shutter.pose_and_readout import (
    _by_readout_rotation,
    refine_pose_and_readout_rotation,
)

FOCAL = 400.0
NOISE = 0.3  # pixels
TURN = np.array([0.015, -0.03, 0.02])
MOTION = transform(
    Rotation.from_rotvec([0.02, -0.05, 0.03]).as_matrix(), np.array([0.1, -0.03, 0.05])
)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def seen_by_a_turning_camera(random, count=500, readout_rotation=TURN):
    """Matches of known depth, and the share of the readout at which each is seen."""
    rays0 = np.column_stack([random.uniform(-0.6, 0.6, (count, 2)), np.ones(count)])
    depth = random.uniform(1.5, 6.0, count)
    rotation, translation = split(MOTION)
    points = (rays0 * depth[:, None]) @ rotation.T + translation
    share = points[:, 1] / points[:, 2] / 1.2
    rows = Rotation.from_rotvec(share[:, None] * readout_rotation).inv().apply(points)
    rays1 = rows / rows[:, 2:]
    rays1[:, :2] += random.normal(0, NOISE / FOCAL, (count, 2))
    whitening = np.tile(np.eye(2) * FOCAL / NOISE, (count, 1, 1))
    rho = 1 / depth
    return Observations(rays0, rays1, whitening, rho, (0.01 * rho) ** 2), share


def errors(pose):
    turned = Rotation.from_matrix(pose.rotation.T @ MOTION[:3, :3]).magnitude()
    return turned, np.linalg.norm(pose.translation - MOTION[:3, 3])


def test_pose_and_readout_are_found_from_far(random):
    observations, share = seen_by_a_turning_camera(random)
    found = refine_pose_and_readout_rotation(
        observations, share, split(np.eye(4)), NO_ROTATION, 0.05
    )
    assert found.readout_rotation == pytest.approx(TURN, abs=0.002)
    turned, moved = errors(found)
    assert turned < 0.001
    assert moved < 0.003
    # A pose alone takes the turn for motion.
    held = refine_pose(observations, *split(MOTION))
    assert errors(held)[1] > 5 * moved


def test_wrong_matches_do_not_count(random):
    observations, share = seen_by_a_turning_camera(random)
    rays1 = observations.rays1.copy()
    wrong = random.choice(len(rays1), 150, replace=False)
    rays1[wrong, :2] += random.uniform(-0.3, 0.3, (150, 2))
    observations = replace(observations, rays1=rays1)
    found = refine_pose_and_readout_rotation(
        observations, share, split(np.eye(4)), NO_ROTATION, 0.05
    )
    assert found.readout_rotation == pytest.approx(TURN, abs=0.003)


def test_a_shutter_without_rows_has_no_turn(random):
    observations, share = seen_by_a_turning_camera(random, readout_rotation=NO_ROTATION)
    found = refine_pose_and_readout_rotation(observations, share, split(MOTION), NO_ROTATION, 0.05)
    assert np.linalg.norm(found.readout_rotation) < 0.002


def test_what_is_expected_decides_where_the_picture_does_not(random):
    observations, share = seen_by_a_turning_camera(random, count=12)
    unsure = replace(observations, whitening=observations.whitening * 1e-4)
    found = refine_pose_and_readout_rotation(
        unsure, share, split(MOTION), np.array([0.0, 0.01, 0.0]), 0.001
    )
    assert found.readout_rotation == pytest.approx([0.0, 0.01, 0.0], abs=1e-3)


def test_the_derivatives_by_the_turn_are_those_of_the_residuals(random):
    observations, share = seen_by_a_turning_camera(random, count=40)
    straight = to_middle_row(observations.rays1, share, TURN)

    def whitened(readout_rotation):
        rays = to_middle_row(straight, share, readout_rotation)
        return MatchArrays.of(observations.rays0, rays, observations.whitening)

    here = whitened(NO_ROTATION)
    derivatives = _by_readout_rotation(here, share)
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1e-6
        change = here.whitened(here.points - whitened(step).points) / 1e-6
        assert derivatives[axis] == pytest.approx(change, rel=1e-3, abs=0.5)


def test_what_the_turn_adds_to_the_covariance_makes_it_that_of_both_together(random):
    observations, share = seen_by_a_turning_camera(random)
    found = refine_pose_and_readout_rotation(observations, share, split(MOTION), NO_ROTATION, 0.05)
    information = np.linalg.inv(found.covariance)
    with_turn_held = np.linalg.inv(information[:6, :6])
    assert with_turn_held + found.covariance_by_readout_rotation == pytest.approx(
        found.covariance[:6, :6], rel=1e-6
    )


def test_the_covariance_is_that_of_the_errors(random):
    misses = []
    for _ in range(40):
        observations, share = seen_by_a_turning_camera(random, count=200)
        found = refine_pose_and_readout_rotation(
            observations, share, split(MOTION), NO_ROTATION, 0.5
        )
        misses.append(found.readout_rotation - TURN)
    shown = np.sqrt(np.diag(found.covariance)[6:])
    assert np.std(misses, axis=0) == pytest.approx(shown, rel=0.5)
