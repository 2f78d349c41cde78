# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The first motion with parallax, where several motions explain nearly all matches."""

import numpy as np
import pytest
from point_scenes import FOCAL, degrees_apart, two_views
from scipy.spatial.transform import Rotation

from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.two_view import essential_motion
from loftr_vo.odometry.pose.two_view_starts import best_two_view

THRESHOLD = 1.5  # pixels
NOISE = 0.3
PIXEL = np.eye(2) / FOCAL


def observed(rays0, rays1, random):
    """Return the observations, with noise; their depths are not known."""
    count = len(rays0)
    rays1 = rays1.copy()
    rays1[:, :2] += random.normal(0, NOISE / FOCAL, (count, 2))
    unknown = np.full(count, 0.25), np.full(count, 1e6)
    whitening = np.tile(np.eye(2) * FOCAL / NOISE, (count, 1, 1))
    return Observations(rays0, rays1, whitening, *unknown, PIXEL, PIXEL)


def by_ransac(observations):
    rays = observations.rays0, observations.rays1
    return essential_motion(*rays, THRESHOLD, observations.by_pixel)


def slanted_wall(random, count=600):
    """Two views of a slanted wall with a relief of 2 %, one to three degrees of parallax apart."""
    xy = random.uniform((-0.55, -0.4), (0.55, 0.4), (count, 2))
    rays0 = np.column_stack([xy, np.ones(count)])
    depth = 4 / (1 + 0.5 * xy[:, 0] + 0.02 * random.normal(size=count))
    direction = random.normal(size=3)
    direction /= np.linalg.norm(direction)
    length = np.median(depth) * np.radians(random.uniform(1.0, 3.0))
    rotation = Rotation.from_rotvec(np.radians(random.normal(0, 2, 3))).as_matrix()
    points = rays0 * depth[:, None] @ rotation.T + length * direction
    return observed(rays0, points / points[:, 2:], random), direction


def test_other_starts_find_the_motion_where_ransac_finds_another():
    random = np.random.default_rng(1)
    wrong = np.zeros(2, int)
    for _ in range(20):
        observations, direction = slanted_wall(random)
        ransac = by_ransac(observations)
        best = best_two_view(observations, ransac, THRESHOLD)
        errors = [degrees_apart(each.direction, direction) for each in (ransac, best)]
        wrong += np.array(errors) > 45.0
    assert wrong[0] >= 5, 'or the test shows nothing'
    assert wrong[1] <= 2


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_a_motion_that_is_found_again_is_kept_as_it_is(sign):
    random = np.random.default_rng(2)
    views = two_views(random, 500, sign * np.array([0.1, -0.05, 0.08]), (1.0, -0.5, 0.3))
    observations = observed(views.rays0, views.rays1, random)
    ransac = by_ransac(observations)
    assert best_two_view(observations, ransac, THRESHOLD) is ransac


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_a_wrong_motion_is_given_up_and_points_are_in_front(sign):
    random = np.random.default_rng(3)
    translation = sign * np.array([0.1, -0.05, 0.08])
    views = two_views(random, 500, translation, (1.0, -0.5, 0.3))
    observations = observed(views.rays0, views.rays1, random)
    ransac = by_ransac(observations)
    turned = Rotation.from_euler('y', 2.0, degrees=True).as_matrix()
    wrong = type(ransac)(turned @ ransac.rotation, np.array([0.0, 1.0, 0.0]), ransac.inliers)
    best = best_two_view(observations, wrong, THRESHOLD)
    assert degrees_apart(best.direction, translation) < 3.0
    assert best.inliers.mean() > 0.95
