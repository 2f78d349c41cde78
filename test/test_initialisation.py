# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A camera is followed before there is parallax enough for depth."""

import numpy as np
import pytest
from point_scenes import FOCAL, degrees_apart, degrees_between, two_views
from scipy.spatial.transform import Rotation

from loftr_vo.odometry.pose.initialisation import estimate_without_depth
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.rotation_refinement import fit_rotation, refine_rotation
from loftr_vo.odometry.pose.two_view import TwoView, essential_motion

THRESHOLD = 1 / FOCAL
NOISE = 0.1  # pixels
STILL = (np.eye(3), np.zeros(3))


@pytest.fixture
def random():
    return np.random.default_rng(5)


def seen(rays0, rays1, random):
    """Return what is seen with noise, of depths that nobody knows."""
    count = len(rays0)
    rays1 = rays1.copy()
    rays1[:, :2] += random.normal(0, NOISE / FOCAL, (count, 2))
    whitening = np.tile(np.eye(2) * FOCAL / NOISE, (count, 1, 1))
    return Observations(rays0, rays1, whitening, np.full(count, np.nan), np.full(count, np.nan))


def follow(observations, reference_depth, two_view=None):
    two_view = two_view or essential_motion(observations.rays0, observations.rays1, THRESHOLD)
    return estimate_without_depth(observations, two_view, STILL, reference_depth, THRESHOLD)[1]


def test_a_small_step_is_no_pure_rotation(random):
    """A third of a degree of parallax, and depths from 2 to 8."""
    views = two_views(random, 1000, (0.02, -0.01, 0.005), (0.3, 0.2, -0.1))
    found = follow(seen(views.rays0, views.rays1, random), float(np.median(views.depth)))
    assert degrees_between(found.rotation, views.rotation) < 0.05
    assert degrees_apart(found.translation, views.translation) < 10.0
    length = np.linalg.norm(found.translation) / np.linalg.norm(views.translation)
    assert length == pytest.approx(1.0, rel=0.2)


def test_a_wrong_motion_of_two_views_is_given_up(random):
    """An inclined wall with little before it, where several motions explain nearly all."""
    count = 1000
    xy = random.uniform((-0.6, -0.4), (0.6, 0.4), (count, 2))
    rays0 = np.column_stack([xy, np.ones(count)])
    depth = 1 / (0.3 - 0.25 * xy[:, 0] + 0.1 * xy[:, 1])
    depth[:60] *= 0.6
    rotation = Rotation.from_euler('yxz', [0.2, -0.1, 0.1], degrees=True).as_matrix()
    translation = np.array([0.03, 0.0, 0.01])
    points = rays0 * depth[:, None] @ rotation.T + translation
    observations = seen(rays0, points / points[:, 2:], random)
    # The twin of a step along the wall is one towards it, with a turn.
    wrong = Rotation.from_euler('yxz', [0.6, -0.1, 0.1], degrees=True).as_matrix()
    two_view = TwoView(wrong, np.array([-0.2, 0.1, 0.97]), np.ones(count, bool))
    found = follow(observations, float(np.median(depth)), two_view)
    assert degrees_between(found.rotation, rotation) < 0.1
    assert degrees_apart(found.translation, translation) < 10.0


def test_a_pure_rotation_has_no_translation(random):
    views = two_views(random, 1000, (0.0, 0.0, 0.0), (6.0, -3.0, 1.0))
    found = follow(seen(views.rays0, views.rays1, random), 4.0)
    assert not found.translation.any()
    assert degrees_between(found.rotation, views.rotation) < 0.005


def test_outliers_do_not_change_a_pure_rotation(random):
    views = two_views(random, 500, (0.0, 0.0, 0.0), (6.0, -3.0, 1.0))
    observations = seen(views.rays0, views.rays1, random)
    observations.rays1[:100, :2] += np.array([20.0, 10.0]) / FOCAL
    rough, _ = fit_rotation(observations)
    assert degrees_between(rough, views.rotation) > 0.2
    assert degrees_between(refine_rotation(observations, rough), views.rotation) < 0.02
