# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion of a frame: where one start leads nowhere, and from fewer matches than there are."""

import numpy as np
import pytest
from point_scenes import degrees_between, two_views
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rigid_motion import transform
from loftr_vo.odometry.pose.known_depth_motion import motion_from_known_depth
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_by_depth import (
    _is_far_from_prediction,
    _lowest_cost,
    _rescale_covariance,
    _subsample,
    other_starts,
)
from loftr_vo.odometry.pose.pose_refinement import refine_pose
from loftr_vo.odometry.pose.tuning import TUNING

FOCAL, NOISE = 280.0, 0.3  # pixels
COUNT = 100
# A place that is seen again from far aside: the way and the turn to there.
TURN = Rotation.from_euler('y', 28, degrees=True).as_matrix()
WAY = np.array([-0.23, 0.0, -0.29])
# Where the camera was taken to be, which leads to another minimum.
ASTRAY = transform(
    Rotation.from_euler('y', -60, degrees=True).as_matrix(), np.array([1.0, 0.0, 0.3])
)


def what_is_left_of_it(seed):
    """A strip of a nearly flat wall with known depths; one match of seven is wrong."""
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.uniform(-0.6, -0.1, COUNT), rng.uniform(-0.4, 0.4, COUNT)])
    rays0 = np.column_stack([points, np.ones(COUNT)])
    depth = 1.33 + 0.1 * points[:, 0] + rng.normal(0, 0.02, COUNT)
    there = (rays0 * depth[:, None]) @ TURN.T + WAY
    seen = there[:, :2] / there[:, 2:] + rng.normal(0, NOISE / FOCAL, (COUNT, 2))
    wrong = rng.random(COUNT) < 0.15
    seen[wrong] += rng.uniform(-0.2, 0.2, (wrong.sum(), 2))
    prior = (1 + rng.normal(0, 0.02, COUNT)) / depth
    return Observations(
        rays0,
        np.column_stack([seen, np.ones(COUNT)]),
        np.broadcast_to(np.eye(2) * FOCAL / NOISE, (COUNT, 2, 2)),
        prior,
        (0.02 * prior) ** 2,
    )


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_known_depths_lead_out_of_a_minimum_that_is_not_the_lowest(seed):
    matches = what_is_left_of_it(seed)
    alone = refine_pose(matches, ASTRAY[:3, :3], ASTRAY[:3, 3])
    found = _lowest_cost(matches, alone, other_starts(matches, ASTRAY, 1 / FOCAL))
    assert degrees_between(alone.rotation, TURN) > 10
    assert degrees_between(found.rotation, TURN) < 1
    assert np.linalg.norm(found.translation - WAY) < 0.03


def test_sampled_matches_come_evenly_from_all_that_are_chosen():
    chosen = np.random.default_rng(4).random(3000) < 0.8
    sampled = _subsample(chosen)
    assert sampled.sum() == TUNING.max_matches
    assert not (sampled & ~chosen).any()
    gaps = np.diff(np.flatnonzero(sampled[chosen]))
    assert set(gaps) == {2, 3}  # of 2400, each second or third
    few = np.arange(3000) < TUNING.max_matches
    np.testing.assert_array_equal(_subsample(few), few)


def test_sampled_matches_give_the_pose_and_the_covariance_of_all():
    random = np.random.default_rng(5)
    count = 2 * TUNING.max_matches
    scene = two_views(random, count)
    seen = scene.rays1[:, :2] + random.normal(0, NOISE / FOCAL, (count, 2))
    matches = Observations(
        scene.rays0,
        np.column_stack([seen, np.ones(count)]),
        np.broadcast_to(np.eye(2) * FOCAL / NOISE, (count, 2, 2)),
        (1 + random.normal(0, 0.02, count)) / scene.depth,
        (0.02 / scene.depth) ** 2,
    )
    all_of_them = np.ones(count, bool)
    start = scene.rotation, scene.translation
    plain = refine_pose(matches, *start)
    sampled = refine_pose(matches.select(_subsample(all_of_them)), *start)
    # Half of the matches know half as much: the poses differ by as much as that of all is unsure.
    turn = Rotation.from_matrix(sampled.rotation @ plain.rotation.T).as_rotvec()
    apart = np.concatenate([sampled.translation - plain.translation, turn])
    assert apart @ np.linalg.solve(plain.covariance, apart) < 16.8  # 99 % of chi-squared, six
    of_all = np.diag(_rescale_covariance(sampled, all_of_them).covariance)
    np.testing.assert_allclose(of_all, np.diag(plain.covariance), rtol=0.15)


@pytest.mark.parametrize('way', [0.0, 0.003, 0.3])
def test_known_depths_lead_at_rest_and_on_a_short_way_as_on_a_long_one(way):
    random, count = np.random.default_rng(6), 800
    scene = two_views(random, count, translation=(way, 0.0, 0.0), degrees=(0.5, 0.0, 0.0))
    seen = scene.rays1[:, :2] + random.normal(0, NOISE / FOCAL, (count, 2))
    wrong = random.random(count) < 0.1
    seen[wrong] += random.uniform(0.1, 0.2, (wrong.sum(), 2))
    prior = (1 + random.normal(0, 0.02, count)) / scene.depth
    matches = Observations(
        scene.rays0,
        np.column_stack([seen, np.ones(count)]),
        np.broadcast_to(np.eye(2) * FOCAL / NOISE, (count, 2, 2)),
        prior,
        (0.02 * prior) ** 2,
    )
    led = motion_from_known_depth(matches, np.ones(count, bool), np.eye(4), 1.5 / FOCAL)
    assert led is not None
    (rotation, translation), two_view = led
    assert degrees_between(rotation, scene.rotation) < 0.05
    assert np.linalg.norm(translation - scene.translation) < 0.01
    assert two_view.inliers[~wrong].mean() > 0.95
    if way < 0.01:  # a long one cannot tell what moves along the epipolar lines
        assert not two_view.inliers[wrong].any()


@pytest.mark.parametrize(
    ('turn', 'shift', 'surprising'),
    [
        (0.0, 0.0, False),
        (0.004, 0.0, False),
        (0.02, 0.0, True),
        (0.0, 0.004, False),
        (0.0, 0.02, True),
    ],
)
def test_a_pose_is_surprising_that_is_a_hundredth_from_the_expected(turn, shift, surprising):
    """Radians, and of the translation as seen at the usual depth; here of 5."""
    random = np.random.default_rng(7)
    scene = two_views(random, 200)
    depth = np.full(200, 5.0)
    points = scene.rays0 * depth[:, None] @ scene.rotation.T + scene.translation
    matches = Observations(
        scene.rays0,
        points / points[:, 2:],
        np.broadcast_to(np.eye(2) * FOCAL / NOISE, (200, 2, 2)),
        1 / depth,
        (0.01 / depth) ** 2,
    )
    refined = refine_pose(matches, scene.rotation, scene.translation)
    aside = scene.translation + np.array([5 * shift, 0.0, 0.0])
    turned = Rotation.from_rotvec([0.0, turn, 0.0]).as_matrix() @ scene.rotation
    assert _is_far_from_prediction(refined, transform(turned, aside)) == surprising
