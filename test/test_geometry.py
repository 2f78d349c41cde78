# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Two views: motion from matches, depth from motion, against exact scenes."""

from dataclasses import replace

import numpy as np
import pytest
from point_scenes import FOCAL, degrees_apart, degrees_between, two_views
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.epipolar import (
    inverse_depth,
    parallax,
    rays_from_points,
    translation_from_depth,
)
from loftr_vo.geometry.rigid_motion import (
    inverse_transform,
    skew,
    split,
    transform,
)
from loftr_vo.odometry.pose.two_view import essential_motion, planar_motions

PIXEL = 1 / FOCAL


@pytest.fixture
def random():
    return np.random.default_rng(0)


def with_outliers(random, views, share):
    """Return rays1 with a share of gross outliers, and which they are.

    An outlier that happens to lie near its epipolar line is an inlier to the essential matrix, so
    none lies within five pixels of it.
    """
    anywhere = random.uniform((-0.6, -0.4), (0.6, 0.4), (len(views.rays1), 2))
    anywhere = rays_from_points(anywhere)
    lines = views.rays0 @ (skew(views.translation) @ views.rotation).T
    distance = np.abs(np.sum(lines * anywhere, axis=1)) / np.linalg.norm(lines[:, :2], axis=1)
    wrong = (random.random(len(distance)) < share) & (distance > 5 * PIXEL)
    return np.where(wrong[:, None], anywhere, views.rays1), wrong


@pytest.mark.parametrize(
    ('translation', 'degrees'),
    [
        ((0.3, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.5), (0.0, 0.0, 0.0)),
        ((0.0, 0.0, -0.5), (1.0, 2.0, -10.0)),
        ((0.3, -0.1, 0.15), (8.0, -3.0, 2.0)),
    ],
)
def test_motion_is_recovered_exactly_among_outliers(random, translation, degrees):
    views = two_views(random, 400, translation, degrees)
    rays1, wrong = with_outliers(random, views, 0.42)
    assert 0.38 < wrong.mean() < 0.45
    found = essential_motion(views.rays0, rays1, PIXEL)
    assert degrees_between(found.rotation, views.rotation) < 1e-3
    assert degrees_apart(found.direction, views.translation) < 0.01
    assert np.linalg.norm(found.direction) == pytest.approx(1.0)
    assert found.inliers[~wrong].all()
    assert not found.inliers[wrong].any()


def test_the_same_matches_give_the_same_motion(random):
    views = two_views(random, 300)
    rays1, _ = with_outliers(random, views, 0.3)
    first, second = (essential_motion(views.rays0, rays1, PIXEL) for _ in range(2))
    assert np.array_equal(first.rotation, second.rotation)
    assert np.array_equal(first.direction, second.direction)


@pytest.mark.parametrize('count', [0, 1, 5])
def test_too_few_points_have_no_motion(random, count):
    views = two_views(random, count)
    assert essential_motion(views.rays0, views.rays1, PIXEL) is None


def test_points_at_infinity_leave_the_rotation_and_the_near_points_the_direction(random):
    near, far = two_views(random, 150), two_views(random, 150)
    at_infinity = far.rays0 @ far.rotation.T
    rays0 = np.concatenate([near.rays0, far.rays0])
    rays1 = np.concatenate([near.rays1, at_infinity / at_infinity[:, 2:]])
    found = essential_motion(rays0, rays1, PIXEL)
    assert degrees_between(found.rotation, near.rotation) < 1e-3
    assert degrees_apart(found.direction, near.translation) < 0.01


def test_parallax_is_the_angle_at_the_point_whatever_the_rotation():
    # Two cameras one apart and a point one away from the first, straight ahead: 45 degrees.
    rotation = Rotation.from_euler('xyz', [10, -20, 5], degrees=True).as_matrix()
    rays0 = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    seen = np.array([[-1.0, 0.0, 1.0], [0.0, 0.0, 3.0]]) @ rotation.T
    assert parallax(rays0, seen / seen[:, 2:], rotation) == pytest.approx([45.0, 0.0], abs=1e-9)


def test_points_at_infinity_have_no_parallax_and_no_inverse_depth(random):
    views = two_views(random, 50)
    seen = views.rays0 @ views.rotation.T
    seen = seen / seen[:, 2:]
    assert np.abs(parallax(views.rays0, seen, views.rotation)).max() < 1e-6
    rho = inverse_depth(views.rays0, seen, views.rotation, views.translation)
    assert np.abs(rho).max() < 1e-12


def test_inverse_depth_is_exact(random):
    views = two_views(random, 200)
    rho = inverse_depth(views.rays0, views.rays1, views.rotation, views.translation)
    assert rho == pytest.approx(1 / views.depth, rel=1e-9)


def test_inverse_depth_is_negative_where_rays_meet_behind(random):
    views = two_views(random, 50)
    rho = inverse_depth(views.rays0, views.rays1, views.rotation, -views.translation)
    assert rho == pytest.approx(-1 / views.depth, rel=1e-9)


def test_inverse_depth_without_a_baseline_is_finite(random):
    views = two_views(random, 50, translation=(0.0, 0.0, 0.0))
    rho = inverse_depth(views.rays0, views.rays1, views.rotation, np.zeros(3))
    assert np.isfinite(rho).all()


def test_translation_from_depth_is_exact_in_length_and_direction(random):
    views = two_views(random, 20)
    found = translation_from_depth(views.rays0, views.rays1, 1 / views.depth, views.rotation)
    assert found == pytest.approx(views.translation, abs=1e-9)


def test_a_motion_and_its_inverse_cancel(random):
    views = two_views(random, 1)
    motion = transform(views.rotation, views.translation)
    assert inverse_transform(motion) @ motion == pytest.approx(np.eye(4), abs=1e-12)
    rotation, translation = split(motion)
    assert rotation == pytest.approx(views.rotation, abs=1e-12)
    assert np.array_equal(translation, views.translation)


def test_rotations_stay_rotations_when_composed_without_end(random):
    motion = transform(two_views(random, 1).rotation, np.ones(3))
    pose = motion
    for _ in range(500):
        pose = pose @ inverse_transform(inverse_transform(pose) @ pose @ motion)
        pose = transform(*split(pose))
    assert pose[:3, :3] @ pose[:3, :3].T == pytest.approx(np.eye(3), abs=1e-12)


@pytest.mark.parametrize('error', [1e-15, 1e-12, 1e-10, 1e-8, 1e-2])
def test_the_rotation_of_a_transform_is_the_nearest(random, error):
    off = two_views(random, 1).rotation + error * random.normal(size=(3, 3))
    u, _, v = np.linalg.svd(off)
    assert transform(off, np.zeros(3))[:3, :3] == pytest.approx(u @ v, abs=2e-15, rel=0)


def test_skew_is_the_cross_product(random):
    a, b = random.normal(size=(2, 3))
    assert skew(a) @ b == pytest.approx(np.cross(a, b))


def test_rays_lie_on_the_plane_at_depth_one():
    points = np.array([[0.1, 0.2], [-0.3, 0.4]])
    assert np.array_equal(rays_from_points(points), [[0.1, 0.2, 1.0], [-0.3, 0.4, 1.0]])


def wall(random, count, off_the_plane=0):
    """Points of a slanted wall, some of them standing out from it, as two cameras see them."""
    views = two_views(random, count, translation=(0.3, -0.05, 0.15))
    depth = 3.0 / (1.0 + 0.25 * views.rays0[:, 0])
    depth[:off_the_plane] *= 0.97
    points = views.rays0 * depth[:, None] @ views.rotation.T + views.translation
    return replace(views, depth=depth, rays1=points / points[:, 2:])


def test_a_plane_has_two_motions_and_one_is_true(random):
    views = wall(random, 200)
    motions = planar_motions(views.rays0, views.rays1, 1 / FOCAL)
    turns = sorted(degrees_between(rotation, views.rotation) for rotation, _ in motions)
    assert len(motions) == 2
    assert turns[0] < 0.01
    assert turns[1] > 0.5


def test_a_turn_on_the_spot_has_no_planar_motion(random):
    views = two_views(random, 200, translation=(0.0, 0.0, 0.0))
    assert planar_motions(views.rays0, views.rays1, 1 / FOCAL) == []
