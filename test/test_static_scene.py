# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The static scene is separated from moving objects by depth that is known already."""

import numpy as np
import pytest
from point_scenes import FOCAL, degrees_apart, degrees_between, two_views

from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.static_scene import MotionByDepth, prefer_static_scene
from loftr_vo.odometry.pose.two_view import essential_motion

THRESHOLD = 1 / FOCAL
NOISE = 0.2  # pixels


@pytest.fixture
def random():
    return np.random.default_rng(3)


def observed(views, random, depth_error=0.03):
    """Return what is seen of two views, with the depth of the first as it is known."""
    count = len(views.depth)
    rays1 = views.rays1.copy()
    rays1[:, :2] += random.normal(0, NOISE / FOCAL, (count, 2))
    prior = 1 / (views.depth * (1 + random.normal(0, depth_error, count)))
    whitening = np.tile(np.eye(2) * FOCAL / NOISE, (count, 1, 1))
    return Observations(views.rays0, rays1, whitening, prior, (depth_error * prior) ** 2)


def with_somebody(observations, moved, random):
    """Add matches of a plane that moves ``moved`` pixels in the picture, as one."""
    count, here = len(moved), len(observations.prior)
    rays0 = np.column_stack(
        [random.uniform((-0.25, -0.4), (0.25, 0.4), (count, 2)), np.ones(count)]
    )
    rays1 = rays0.copy()
    rays1[:, :2] += moved / FOCAL + random.normal(0, NOISE / FOCAL, (count, 2))
    joined = Observations(
        np.vstack([observations.rays0, rays0]),
        np.vstack([observations.rays1, rays1]),
        np.concatenate(
            [observations.whitening, np.tile(np.eye(2) * FOCAL / NOISE, (count, 1, 1))]
        ),
        np.concatenate([observations.prior, np.full(count, 0.5)]),
        np.concatenate([observations.variance, np.full(count, 100.0)]),
    )
    return joined, np.arange(here + count) < here


def chosen(observations, known, agreement_count=None):
    agreement_count = 5 * known if agreement_count is None else agreement_count
    found = essential_motion(observations.rays0, observations.rays1, THRESHOLD)
    return found, prefer_static_scene(observations, known, agreement_count, found, THRESHOLD)


@pytest.mark.parametrize('crowd', [150, 200, 400])
def test_the_world_wins_with_as_many_matches_or_half_of_them(random, crowd):
    """200 matches of the world; somebody walks across, 14 px aside and 9 px down."""
    views = two_views(random, 200, (0.3, -0.1, 0.15), (1.0, -0.5, 0.2))
    moved = np.tile([14.0, 9.0], (crowd, 1))
    observations, world = with_somebody(observed(views, random), moved, random)
    _, motion = chosen(observations, world)
    assert degrees_between(motion.rotation, views.rotation) < 0.2
    assert degrees_apart(motion.direction, views.translation) < 3.0
    assert motion.inliers[world].mean() > 0.9
    assert motion.inliers[~world].mean() < 0.2


def test_without_known_depth_the_plane_would_have_won(random):
    """The test above can fail."""
    views = two_views(random, 200, (0.3, -0.1, 0.15), (1.0, -0.5, 0.2))
    observations, world = with_somebody(
        observed(views, random), np.tile([14.0, 9.0], (400, 1)), random
    )
    found, motion = chosen(observations, np.zeros_like(world))
    assert motion is found
    assert motion.inliers[~world].mean() > 0.9


def test_nothing_changes_where_nothing_competes(random):
    views = two_views(random, 300)
    observations = observed(views, random)
    found, motion = chosen(observations, np.ones(300, bool))
    assert motion is found


def test_what_agreed_for_a_while_counts_and_not_what_only_seems_known(random):
    """Somebody's cells have got a depth by mistake, but have not agreed for long."""
    views = two_views(random, 200, (0.3, -0.1, 0.15), (1.0, -0.5, 0.2))
    moved = np.tile([14.0, 9.0], (300, 1))
    observations, world = with_somebody(observed(views, random), moved, random)
    _, motion = chosen(observations, np.ones(500, bool), np.where(world, 4, 1))
    assert degrees_between(motion.rotation, views.rotation) < 0.2
    assert motion.inliers[~world].mean() < 0.1


def test_too_few_matches_of_known_depth_decide_nothing(random):
    views = two_views(random, 10, (0.3, -0.1, 0.15))
    observations, world = with_somebody(
        observed(views, random), np.tile([14.0, 9.0], (100, 1)), random
    )
    found, motion = chosen(observations, world)
    assert motion is found


@pytest.mark.parametrize(('ratio', 'changes'), [(1.04, False), (1.12, True)])
def test_the_motion_by_depth_must_explain_clearly_more(random, monkeypatch, ratio, changes):
    """A few cells more are chance: the essential matrix's motion is the more exact of both."""
    views = two_views(random, 300)
    observations = observed(views, random)
    explained = 200
    other = MotionByDepth(views.rotation, views.translation, round(ratio * explained))
    monkeypatch.setattr(
        'loftr_vo.odometry.pose.static_scene._explained_by', lambda *arguments: explained
    )
    monkeypatch.setattr(
        'loftr_vo.odometry.pose.static_scene.motion_by_depth', lambda *arguments: other
    )
    found, motion = chosen(observations, np.ones(300, bool))
    assert (motion is not found) == changes
