# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A pose by matches and a gyroscope's turn: against SciPy's solver on both."""

import cv2
import numpy as np
import pytest
from scipy.optimize import least_squares

from loftr_vo.geometry.rigid_motion import split
from loftr_vo.geometry.robust_cost import cauchy_cost
from loftr_vo.geometry.rotation import angle_of, rotation_vector
from loftr_vo.odometry.pose.measured_turn import MeasuredTurn, with_measured_turn
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_refinement import refine_pose

ROTATION = cv2.Rodrigues(np.array([0.02, -0.05, 0.01]))[0]
TRANSLATION = np.array([0.3, -0.05, 0.1])
NOISE = 1e-3  # of a ray
COUNT = 60


@pytest.fixture(scope='module')
def observations():
    source = np.random.default_rng(3)
    rays0 = np.column_stack([source.uniform(-0.5, 0.5, (COUNT, 2)), np.ones(COUNT)])
    depth = source.uniform(0.2, 0.4, COUNT)
    seen = rays0 @ ROTATION.T + depth[:, None] * TRANSLATION
    rays1 = seen / seen[:, 2:]
    rays1[:, :2] += source.normal(0, NOISE, (COUNT, 2))
    prior = depth * (1 + source.normal(0, 0.02, COUNT))
    variance = (0.02 * depth) ** 2
    whitening = np.tile(np.eye(2) / NOISE, (COUNT, 1, 1))
    return Observations(rays0, rays1, whitening, prior, variance)


def measured(sigma, error=(0.0, 0.0, 0.0), inflation=4.0):
    turn = cv2.Rodrigues(np.array(error, float))[0] @ ROTATION
    return MeasuredTurn(turn, sigma, inflation)


def by_scipy(observations, turn, start):
    """Pose and depths by one solver, with the same robust cost; the turn is not robust."""

    def residuals(unknowns):
        rotation = cv2.Rodrigues(unknowns[3:6])[0] @ start.rotation
        translation, depths = start.translation + unknowns[:3], unknowns[6:]
        seen = observations.rays0 @ rotation.T + depths[:, None] * translation
        off = (seen[:, :2] / seen[:, 2:] - observations.rays1[:, :2]) / NOISE
        squared = np.sum(off**2, axis=1)
        off_depth = (depths - observations.prior) / np.sqrt(observations.variance)
        off_turn = rotation_vector(rotation @ turn.rotation.T) / turn.sigma
        return np.concatenate(
            [
                np.sqrt(cauchy_cost(squared)),
                np.sqrt(cauchy_cost(off_depth**2)),
                off_turn * np.sqrt(turn.inflation),
            ]
        )

    first = np.concatenate([np.zeros(6), start.inverse_depth])
    found = least_squares(residuals, first, x_scale='jac', xtol=1e-12, ftol=1e-12).x
    return cv2.Rodrigues(found[3:6])[0] @ start.rotation, start.translation + found[:3]


def test_it_is_the_solve_with_both(observations):
    alone = refine_pose(observations, ROTATION, TRANSLATION)
    turn = measured(5e-4, error=(3e-4, -2e-4, 4e-4))
    both = with_measured_turn(alone, turn)
    rotation, translation = by_scipy(observations, turn, alone)
    assert split(both.by_matches)[0] == pytest.approx(alone.rotation, abs=1e-12)
    assert np.array_equal(split(both.by_matches)[1], alone.translation)
    moved = np.linalg.norm(both.translation - alone.translation)
    assert np.linalg.norm(both.translation - translation) < 0.1 * moved
    assert angle_of(both.rotation.T @ rotation) < 0.1 * angle_of(alone.rotation.T @ rotation)


def test_the_better_it_is_known_the_nearer_the_pose_is(observations):
    alone = refine_pose(observations, ROTATION, TRANSLATION)
    angles, deviations = [angle_of(alone.rotation.T @ ROTATION)], [alone.covariance]
    for sigma in (1e-3, 1e-4, 1e-6):
        both = with_measured_turn(alone, measured(sigma))
        angles.append(angle_of(both.rotation.T @ ROTATION))
        deviations.append(both.covariance)
        assert np.linalg.eigvalsh(both.covariance).min() > 0
    assert angles == sorted(angles, reverse=True)
    assert angles[-1] < 1e-5
    traces = [np.trace(each[:3, :3]) for each in deviations]
    assert traces == sorted(traces, reverse=True)
    # The depths follow the pose.
    assert not np.array_equal(both.inverse_depth, alone.inverse_depth)


def test_a_turn_that_contradicts_the_matches_is_left_out(observations):
    alone = refine_pose(observations, ROTATION, TRANSLATION)
    assert with_measured_turn(alone, measured(1e-4, error=(0.05, 0.0, 0.0))) is alone
