# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Normalised errors: of drawn poses, and of the odometry on rendered sequences."""

import numpy as np
import pytest
from rendered_films import film, records_of_film
from scipy.spatial.transform import Rotation

from loftr_vo.evaluation.consistency import inside, normalised_errors
from loftr_vo.odometry.estimate import Estimate, State

WORLD = Rotation.from_euler('yxz', [50, 10, -20], degrees=True).as_matrix()


def walk(count):
    """True poses (count, 4, 4) in a world of their own: ahead and to the side."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    for index, pose in enumerate(poses):
        turn = Rotation.from_euler('y', 2 * index, degrees=True).as_matrix()
        pose[:3, :3] = WORLD @ turn
        pose[:3, 3] = WORLD @ [0.1 * index, 0.0, 0.3 * index] + [5.0, -2.0, 1.0]
    return poses


def estimates_of(true_poses, random, covariance, unit=0.4, error=1.0):
    """Estimates in another unit, with errors ``error`` times as large as they say."""
    relative = np.linalg.inv(true_poses[0]) @ true_poses
    estimates = []
    for index, pose in enumerate(relative):
        found = pose.copy()
        found[:3, 3] *= unit
        if index > 1:
            drawn = error * random.multivariate_normal(np.zeros(6), covariance)
            found[:3, 3] += drawn[:3]
            found[:3, :3] = Rotation.from_rotvec(drawn[3:]).as_matrix() @ found[:3, :3]
        state = State.TRACKING if index else State.INITIALISING
        estimates.append(Estimate(index, state, '', found, covariance))
    return estimates


@pytest.fixture
def covariance():
    root = np.random.default_rng(1).normal(size=(6, 6)) * 0.01
    return root @ root.T + np.eye(6) * 1e-5


def test_drawn_errors_are_as_large_as_their_covariance_says(covariance):
    poses = walk(800)
    normalised = normalised_errors(
        estimates_of(poses, np.random.default_rng(0), covariance), poses
    )
    assert len(normalised) == 798
    assert np.mean(normalised) == pytest.approx(6.0, rel=0.05)
    assert inside(normalised) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize('error', [0.3, 3.0])
def test_the_sure_and_the_unsure_are_found_out(covariance, error):
    poses = walk(200)
    estimates = estimates_of(poses, np.random.default_rng(0), covariance, error=error)
    assert inside(normalised_errors(estimates, poses)) < 0.5


def test_a_camera_that_never_moved_has_no_unit(covariance):
    poses = walk(1).repeat(3, axis=0)
    estimates = estimates_of(poses, np.random.default_rng(0), covariance)
    with pytest.raises(ValueError, match='not moved'):
        normalised_errors(estimates, poses)


@pytest.mark.slow
def test_the_covariance_is_as_large_as_the_errors():
    """Rooms and streets that no constant was chosen on."""
    normalised = []
    for kind in ('room', 'street'):
        for seed in (5, 6):
            true = film(kind, seed).ground_truth.poses
            normalised.append(normalised_errors(records_of_film(kind, seed), true))
    assert 0.85 < inside(np.concatenate(normalised)) < 0.99
