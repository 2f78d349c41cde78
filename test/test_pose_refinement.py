# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The refinement of one pose: derivatives, convergence, robustness, honesty about its error."""

from dataclasses import replace

import numpy as np
import pytest
from point_scenes import FOCAL, degrees_apart, degrees_between, two_views
from scipy.spatial.transform import Rotation

from loftr_vo.geometry import reprojection, robust_cost
from loftr_vo.geometry.linear_solve import pseudo_inverse
from loftr_vo.odometry.pose.depth_refinement import excess_variance, refine_depth
from loftr_vo.odometry.pose.known_depth_refinement import solve_by_known_depth
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_refinement import better_start, inlier_mask, refine_pose

UNKNOWN = 100.0  # variance of an inverse depth of which nothing is known


@pytest.fixture
def random():
    return np.random.default_rng(1)


def observe(random, views, *, known=0.5, noise=0.0, stated=0.3, depth_error=0.0):
    """Return observations of ``views``, of which a share has known depth.

    ``noise`` is what the matches have, ``stated`` what they say, in pixels; ``depth_error`` is
    relative.
    """
    count = len(views.depth)
    rays1 = views.rays1.copy()
    rays1[:, :2] += random.normal(0, noise / FOCAL, (count, 2))
    is_known = np.arange(count) < known * count
    relative = max(depth_error, 1e-3)
    return Observations(
        views.rays0,
        rays1,
        np.tile(np.eye(2) * FOCAL / stated, (count, 1, 1)),
        np.where(is_known, (1 + random.normal(0, depth_error, count)) / views.depth, 0.3),
        np.where(is_known, (relative / views.depth) ** 2, UNKNOWN),
    )


def perturbed(views, degrees=3.0, shift=0.1):
    turn = Rotation.from_rotvec(np.radians(degrees) * np.array([0.6, -0.64, 0.48])).as_matrix()
    return turn @ views.rotation, views.translation + shift * np.array([0.48, 0.6, -0.64])


def numerical(function, size, step=1e-6):
    columns = [
        (function(unit * step) - function(-unit * step)) / (2 * step) for unit in np.eye(size)
    ]
    return np.stack(columns, axis=-1)


def test_derivatives_are_those_of_the_residual(random):
    views = two_views(random, 30)
    observations = observe(random, views, noise=2.0)
    observations = replace(observations, whitening=random.normal(size=(30, 2, 2)) * FOCAL)
    depths = 1 / views.depth

    def residual(pose_step, depth_step):
        turn = Rotation.from_rotvec(pose_step[3:]).as_matrix()
        return reprojection.linearise(
            observations.match_arrays,
            turn @ views.rotation,
            views.translation + pose_step[:3],
            depths + depth_step,
        ).residual

    linear = reprojection.linearise(
        observations.match_arrays, views.rotation, views.translation, depths
    )
    by_pose = numerical(lambda step: residual(step, 0.0), 6)
    by_depth = numerical(lambda step: residual(np.zeros(6), step), 1)[..., 0]
    assert linear.by_pose == pytest.approx(np.moveaxis(by_pose, 2, 0), rel=1e-5, abs=1e-4)
    assert linear.by_depth == pytest.approx(by_depth, rel=1e-5, abs=1e-4)


def test_with_the_pose_held_the_depths_linearise_alike(random):
    views = two_views(random, 30)
    observations = observe(random, views, noise=2.0)
    pose, depths = (observations.match_arrays, views.rotation, views.translation), 1 / views.depth
    linear = reprojection.linearise(*pose, depths)
    along = reprojection.DepthResidual(*pose)
    residual, by_depth = along.at(depths)
    assert residual == pytest.approx(linear.residual)
    assert by_depth == pytest.approx(linear.by_depth)
    assert along.distance(depths) == pytest.approx(linear.distance)


@pytest.mark.parametrize('columns', [1, 2048, 7281, 7282, 20000])
def test_products_are_summed_over_all_columns(random, columns):
    left, right = random.normal(size=(6, columns)), random.normal(size=(3, columns))
    assert reprojection.summed_products(left, right) == pytest.approx(left @ right.T)


def test_the_weights_are_the_slope_of_the_cost():
    error = np.linspace(0.1, 5, 50)
    step = 1e-6
    slope = robust_cost.huber_cost(error + step) - robust_cost.huber_cost(error - step)
    expected = 2 * error * robust_cost.huber_weights(error)
    assert slope / (2 * step) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('known', [0.2, 0.5, 1.0])
def test_truth_is_found_from_a_perturbed_start(random, known):
    views = two_views(random, 150)
    refined = refine_pose(observe(random, views, known=known), *perturbed(views))
    assert degrees_between(refined.rotation, views.rotation) < 1e-3
    assert refined.translation == pytest.approx(views.translation, abs=1e-4)
    assert refined.inverse_depth == pytest.approx(1 / views.depth, rel=1e-2)
    assert refined.cost < 0.1


def test_a_turn_on_the_spot_needs_no_depth(random):
    views = two_views(random, 100, translation=(0.0, 0.0, 0.0))
    observations = observe(random, views)
    observations = replace(observations, prior=np.full(100, 0.3), variance=np.full(100, 0.15**2))
    refined = refine_pose(observations, perturbed(views)[0], np.zeros(3))
    assert degrees_between(refined.rotation, views.rotation) < 1e-3
    assert np.linalg.norm(refined.translation) < 1e-4


def test_a_fixed_length_is_kept_and_the_rest_found(random):
    views = two_views(random, 200, translation=(0.6, -0.2, 0.3))
    rotation, translation = perturbed(views, degrees=0.3, shift=0.05)
    observations = observe(random, views, known=0.0)
    refined = refine_pose(observations, rotation, translation, fixed_length=True)
    assert np.linalg.norm(refined.translation) == pytest.approx(
        np.linalg.norm(translation), rel=1e-9
    )
    assert degrees_between(refined.rotation, views.rotation) < 0.005
    assert degrees_apart(refined.translation, views.translation) < 0.05


def test_a_fixed_length_has_no_error_along_the_translation(random):
    views = two_views(random, 200)
    observations = observe(random, views, known=0.0, noise=0.3)
    refined = refine_pose(observations, views.rotation, views.translation, fixed_length=True)
    unit = refined.translation / np.linalg.norm(refined.translation)
    across = np.cross(unit, [0.0, 1.0, 0.0])
    by_position = refined.covariance[:3, :3]
    assert unit @ by_position @ unit < 1e-3 * (across @ by_position @ across)


def test_a_fixed_length_reaches_the_minimum_from_afar(random):
    """With a baseline short against the depth, yaw and sideways motion are hard to tell apart."""
    views = two_views(random, 500, translation=(0.06, 0.002, 0.02), degrees=(1.0, 0.3, -0.2))
    observations = observe(random, views, known=0.0, noise=0.2, stated=0.2)
    unit = views.translation / np.linalg.norm(views.translation)
    observations = replace(observations, prior=np.full(500, 0.015), variance=np.full(500, 1e6))
    turn = Rotation.from_euler('yxz', [0.3, 0.05, 0.03], degrees=True).as_matrix()
    tilt = Rotation.from_euler('yxz', [2.0, 1.0, -5.0], degrees=True).as_matrix()
    far = refine_pose(observations, turn @ views.rotation, tilt @ unit, fixed_length=True)
    near = refine_pose(observations, views.rotation, unit, fixed_length=True)
    assert far.cost == pytest.approx(near.cost, abs=0.5)
    sigma = np.degrees(np.sqrt(np.diag(near.covariance)[3:].max()))
    assert degrees_between(far.rotation, near.rotation) < sigma


def test_the_covariance_says_how_large_the_error_is(random):
    views = two_views(random, 60)
    normalised = []
    for _ in range(200):
        observations = observe(random, views, noise=0.3, stated=0.3, depth_error=0.05)
        refined = refine_pose(observations, views.rotation, views.translation)
        turn = Rotation.from_matrix(refined.rotation @ views.rotation.T).as_rotvec()
        error = np.concatenate([refined.translation - views.translation, turn])
        normalised.append(error @ np.linalg.solve(refined.covariance, error))
    assert 4.5 < np.mean(normalised) < 8.0


def test_matches_worse_than_they_say_make_the_pose_less_sure(random):
    views = two_views(random, 200)
    honest = refine_pose(
        observe(random, views, known=1.0, noise=0.3), views.rotation, views.translation
    )
    boastful = refine_pose(
        observe(random, views, known=1.0, noise=3.0), views.rotation, views.translation
    )
    assert np.trace(boastful.covariance) > 20 * np.trace(honest.covariance)


def test_known_depths_lead_near_the_pose_from_afar(random):
    """As near as the solve with all depths free to move, within what either is sure of."""
    views = two_views(random, 300)
    observations = observe(random, views, known=1.0, noise=0.3, depth_error=0.05)
    wrong = random.random(300) < 0.25
    rays1 = observations.rays1.copy()
    rays1[wrong, :2] += random.uniform(-0.2, 0.2, (wrong.sum(), 2))
    observations = replace(observations, rays1=rays1)
    far = perturbed(views, degrees=15.0, shift=0.3)
    rotation, translation = solve_by_known_depth(observations, *far)
    best = refine_pose(observations, views.rotation, views.translation)
    sigma = np.sqrt(np.diag(best.covariance))
    assert (np.abs(translation - best.translation) < 6 * sigma[:3]).all()
    assert degrees_between(rotation, best.rotation) < 6 * np.degrees(sigma[3:].max())


def test_unsure_depths_count_less_on_the_way_to_the_pose(random):
    views = two_views(random, 300)
    unsure = np.arange(300) < 140
    observations = observe(random, views, known=1.0, noise=0.3)
    prior = np.where(unsure, 1.5 / views.depth, observations.prior)
    variance = np.where(unsure, (0.5 / views.depth) ** 2, observations.variance)
    told = replace(observations, prior=prior, variance=variance)
    untold = replace(told, variance=observations.variance)
    rotation, translation = solve_by_known_depth(told, *perturbed(views))
    misled, _ = solve_by_known_depth(untold, *perturbed(views))
    assert degrees_between(rotation, views.rotation) < 0.2
    assert degrees_between(rotation, views.rotation) < degrees_between(misled, views.rotation)
    assert translation == pytest.approx(views.translation, abs=0.02)


def test_outliers_do_not_move_it(random):
    views = two_views(random, 200)
    observations = observe(random, views, known=0.8, noise=0.3)
    clean = refine_pose(observations, *perturbed(views))
    wrong = random.random(200) < 0.2
    rays1 = observations.rays1.copy()
    rays1[wrong, :2] += random.uniform(-0.2, 0.2, (wrong.sum(), 2))
    observations = replace(observations, rays1=rays1)
    refined = refine_pose(observations, *perturbed(views, degrees=1.0, shift=0.03))
    sigma = np.sqrt(np.diag(clean.covariance))
    assert (np.abs(refined.translation - views.translation) < 6 * sigma[:3]).all()
    assert degrees_between(refined.rotation, views.rotation) < 6 * np.degrees(sigma[3:].max())
    inliers = inlier_mask(refined, 1 / FOCAL)
    assert inliers[~wrong].mean() > 0.98
    # Of those without known depth, an outlier along its epipolar line cannot be told.
    assert inliers[wrong].mean() < 0.2


def test_an_error_along_an_edge_is_ignored(random):
    views = two_views(random, 200)
    observations = observe(random, views, known=1.0, noise=0.05)
    angle = random.uniform(0, np.pi, 200)
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    observations.rays1[:, :2] += along * random.normal(0, 10 / FOCAL, (200, 1))
    whitening = np.stack([along * FOCAL / 100, across * FOCAL / 0.3], axis=1)
    by_edges = refine_pose(replace(observations, whitening=whitening), *perturbed(views))
    blindly = refine_pose(observations, *perturbed(views))
    error = np.linalg.norm(by_edges.translation - views.translation)
    assert error < 0.01
    assert error < 0.2 * np.linalg.norm(blindly.translation - views.translation)


def test_depth_is_found_where_the_pose_is_known(random):
    views = two_views(random, 200)
    observations = observe(random, views, known=0.0, noise=0.3)
    refined = refine_depth(observations, views.rotation, views.translation)
    error = (refined.inverse_depth - 1 / views.depth) / np.sqrt(refined.depth_variance)
    assert 0.8 < np.sqrt(np.mean(error**2)) < 1.2


def test_a_known_depth_is_not_thrown_away_by_a_match_without_parallax(random):
    views = two_views(random, 100, translation=(1e-4, 0.0, 0.0))
    observations = observe(random, views, known=1.0, noise=0.3)
    refined = refine_depth(observations, views.rotation, views.translation)
    assert refined.inverse_depth == pytest.approx(1 / views.depth, rel=1e-3)
    assert (refined.depth_variance <= observations.variance).all()


def test_a_point_behind_the_camera_does_not_agree(random):
    views = two_views(random, 100)
    observations = observe(random, views, known=0.0)
    refined = refine_depth(observations, views.rotation, -views.translation)
    assert not inlier_mask(refined, 1 / FOCAL).any()
    assert inlier_mask(
        refine_depth(observations, views.rotation, views.translation), 1 / FOCAL
    ).all()


def test_the_cauchy_weights_are_the_slope_of_the_cost():
    squared = np.linspace(0.1, 50, 60)
    step = 1e-6
    slope = robust_cost.cauchy_cost(squared + step) - robust_cost.cauchy_cost(squared - step)
    assert slope / (2 * step) == pytest.approx(robust_cost.cauchy_weights(squared), rel=1e-4)


def test_depths_that_are_wrong_and_sure_of_it_do_not_move_the_pose(random):
    """Cells at the edge of a near surface are often given the depth of the one behind it."""
    views = two_views(random, 300)
    observations = observe(random, views, known=1.0, noise=0.3, depth_error=0.02)
    wrong = random.random(300) < 0.1
    misled = replace(
        observations, prior=np.where(wrong, 0.3 * observations.prior, observations.prior)
    )
    honest, refined = (
        refine_pose(each, *perturbed(views, degrees=1.0, shift=0.03))
        for each in (observations, misled)
    )
    assert refined.translation == pytest.approx(honest.translation, abs=1e-3)
    assert degrees_between(refined.rotation, honest.rotation) < 0.02


@pytest.mark.parametrize('times', [1.0, 2.0, 4.0])
@pytest.mark.parametrize('known', [0.0, 1.0])
def test_matches_show_how_much_they_overstate(random, times, known):
    views = two_views(random, 1000)
    observations = observe(random, views, known=known, noise=0.3 * times, stated=0.3)
    excess = excess_variance(observations, views.rotation, views.translation)
    assert excess == pytest.approx(times**2, rel=0.2)
    again = observations.with_inflated_noise(excess)
    assert excess_variance(again, views.rotation, views.translation) == pytest.approx(1, abs=0.01)


def test_the_better_start_is_the_nearer(random):
    views = two_views(random, 200)
    observations = observe(random, views, noise=0.3)
    near, far = perturbed(views, degrees=0.1, shift=0.01), perturbed(views)
    assert better_start(observations, far, near) is near
    assert better_start(observations, near, far) is near


@pytest.mark.parametrize('rank', [0, 1, 5, 6])
def test_the_pseudo_inverse_is_numpys(random, rank):
    # As unlike in size as a translation and a rotation are.
    factor = random.normal(size=(6, rank)) * np.array([1e-2, 1e-2, 1e-2, 1e2, 1e2, 1e2])[:, None]
    if rank < 6:
        factor = random.normal(size=(6, rank))
    matrix = factor @ factor.T
    plain = np.linalg.pinv(matrix, 1e-13, hermitian=True)
    np.testing.assert_allclose(pseudo_inverse(matrix), plain, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('count', [1, 2, 7, 300])
def test_the_median_is_that_of_numpy(count):
    values = np.random.default_rng(count).integers(0, 50, count).astype(np.float32)
    assert robust_cost.median(values) == np.median(values)
