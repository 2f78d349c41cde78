# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of a frame where its length is given by cells of known depth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.epipolar import (
    inverse_depth,
    translation_from_depth,
)
from loftr_vo.geometry.rigid_motion import split
from loftr_vo.geometry.rotation import angle_of
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.odometry.pose.depth_refinement import excess_variance
from loftr_vo.odometry.pose.initialisation import (
    with_free_depths,
)
from loftr_vo.odometry.pose.measured_turn import MeasuredTurn, with_measured_turn
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_refinement import (
    RefinedPose,
    better_start,
    complete_depths,
    refine_pose,
)
from loftr_vo.odometry.pose.static_scene import (
    motion_by_depth,
)
from loftr_vo.odometry.pose.tuning import TUNING
from loftr_vo.odometry.pose.two_view import TwoView


def pose_by_depth(
    observations: Observations,
    two_view: TwoView,
    known: np.ndarray,
    located: LocatedMatches,
    threshold: float,
    settings: GeometrySettings,
    expected: np.ndarray,
    start: tuple[np.ndarray, np.ndarray] | None,
    turn: MeasuredTurn | None,
) -> tuple[Observations, RefinedPose]:
    """Refine the pose of a frame and the depths of its cells together.

    Args:
        observations: N matches.
        two_view: the motion up to its length, with its inliers.
        known: (N,) bool, inliers of known depth.
        located: the N matches on the picture.
        threshold: distance of an inlier from its epipolar line, in pixels.
        settings: what a pose is refined on.
        expected: (4, 4) frame from keyframe.
        start: rotation and translation by known depths, if these gave the motion.
        turn: the rotation by a gyroscope; None without one.

    Returns:
        The observations, with their noise as measured, and the pose with all depths.
    """
    by_depths = settings.pose_from == 'depths'
    sharp = _subpixel_matches(known if by_depths else two_view.inliers, located)
    chosen = np.flatnonzero(_subsample(sharp))
    if start is not None:
        observations, refined = _refine_nearby(observations, chosen, start)
    else:
        observations, refined = _refine_from_two_views(
            observations, two_view, known, chosen, threshold, settings, expected
        )
    refined = _rescale_covariance(refined, sharp)
    if turn is not None:
        refined = with_measured_turn(refined, turn)
    return observations, complete_depths(observations, chosen, refined)


def _refine_from_two_views(
    observations: Observations,
    two_view: TwoView,
    known: np.ndarray,
    chosen: np.ndarray,
    threshold: float,
    settings: GeometrySettings,
    expected: np.ndarray,
) -> tuple[Observations, RefinedPose]:
    """Refine from the essential matrix's motion; see ``pose_by_depth``.

    Args:
        observations, two_view, known, threshold, settings, expected: see there.
        chosen: (M,) int, the observations to refine on.
    """
    near = _initial_pose(observations, two_view, known, expected, settings)
    held = settings.pose_from == 'two_views'
    used = observations.select(chosen)
    refined = refine_pose(used, *near, held=held)
    if not held and _is_far_from_prediction(refined, expected):
        others = other_starts(observations.select(known), expected, threshold)
        refined = _lowest_cost(used, refined, others)
    return _refine_with_measured_noise(observations, chosen, refined, held)


def _subpixel_matches(chosen: np.ndarray, located: LocatedMatches) -> np.ndarray:
    """Of chosen matches (N,) bool, those refined to sub-pixel, where they are enough for a pose.

    The others are several times less exact, so they would have next to no weight.
    """
    sharp = chosen & located.tracked
    return sharp if np.count_nonzero(sharp) >= TUNING.sufficient_matches else chosen


def _subsample(chosen: np.ndarray) -> np.ndarray:
    """Of chosen matches (N,) bool, at most ``max_matches``, evenly selected."""
    indices = np.flatnonzero(chosen)
    if len(indices) <= TUNING.max_matches:
        return chosen
    sampled = np.zeros(len(chosen), bool)
    sampled[indices[np.arange(TUNING.max_matches) * len(indices) // TUNING.max_matches]] = True
    return sampled


def _rescale_covariance(refined: RefinedPose, sharp: np.ndarray) -> RefinedPose:
    """Scale the covariance of a pose by sampled matches to that by all of ``sharp`` (N,) bool.

    The correlation of neighbouring matches is accounted for in ``map.covariance``.
    """
    share = len(refined.inverse_depth) / np.count_nonzero(sharp)
    return replace(refined, covariance=share * refined.covariance)


def _initial_pose(
    observations: Observations,
    two_view: TwoView,
    known: np.ndarray,
    expected: np.ndarray,
    settings: GeometrySettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the better start: the essential matrix's motion, or the predicted one.

    In forward motion on a flat scene the essential matrix is poorly determined.
    """
    seen = observations.select(known)
    if settings.pose_from == 'two_views':
        return _two_view_motion(observations.select(two_view.inliers), seen, two_view)
    length = translation_from_depth(seen.rays0, seen.rays1, seen.prior, two_view.rotation)
    return better_start(
        observations.select(two_view.inliers), (two_view.rotation, length), split(expected)
    )


def _two_view_motion(
    inliers: Observations, known: Observations, two_view: TwoView
) -> tuple[np.ndarray, np.ndarray]:
    """Motion with all depths free; its length by the median ratio of depths to the known ones.

    That is the usual method of odometry without a joint solve, kept to compare with.
    """
    free = with_free_depths(inliers, two_view.rotation, two_view.direction)
    refined = refine_pose(free, two_view.rotation, two_view.direction, fixed_length=True)
    direction = refined.translation
    rho = inverse_depth(known.rays0, known.rays1, refined.rotation, direction)
    return refined.rotation, direction * float(np.median(rho / known.prior))


def other_starts(
    known: Observations, expected: np.ndarray, threshold: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return other starts, for a solution far from the prediction.

    It may be a local minimum, where most of the near scene is hidden, or where a place is seen
    again from a distant viewpoint and only a small, flat part of it is in view. The predicted
    motion may lead to one too; the motion that most known depths agree with (P3P) rarely does.

    Args:
        known: the matches of known depth.
        expected: (4, 4) frame from keyframe.
        threshold: distance of an inlier from its epipolar line, in pixels.
    """
    by_depth = motion_by_depth(known, TUNING.depth_threshold_ratio * threshold)
    found = [] if by_depth is None else [(by_depth.rotation, by_depth.translation)]
    return [split(expected), *found]


def _lowest_cost(
    used: Observations, refined: RefinedPose, starts: list[tuple[np.ndarray, np.ndarray]]
) -> RefinedPose:
    """Return the pose of the least cost, by the first solution and by other starts."""
    candidates = [refined, *(refine_pose(used, *start) for start in starts)]
    return min(candidates, key=lambda each: each.cost)


def _refine_with_measured_noise(
    observations: Observations, chosen: np.ndarray, refined: RefinedPose, held: bool
) -> tuple[Observations, RefinedPose]:
    """Refine once more with the noise of the matches as measured.

    It sets their weight against that of the known depths.

    Returns:
        The observations with that noise, and the pose.
    """
    used = observations.select(chosen)
    excess = excess_variance(used, refined.rotation, refined.translation)
    if excess > 1:
        refined = refine_pose(
            used.with_inflated_noise(excess), refined.rotation, refined.translation, held=held
        )
    return observations.with_inflated_noise(excess), refined


def _refine_nearby(
    observations: Observations, chosen: np.ndarray, near: tuple[np.ndarray, np.ndarray]
) -> tuple[Observations, RefinedPose]:
    """Refine from a start that is near enough to measure the noise of the matches first.

    Returns:
        See ``_refine_with_measured_noise``.
    """
    used = observations.select(chosen)
    excess = excess_variance(used, *near)
    return observations.with_inflated_noise(excess), refine_pose(
        used.with_inflated_noise(excess), *near
    )


def _is_far_from_prediction(refined: RefinedPose, expected: np.ndarray) -> bool:
    """Whether a pose is so far from the predicted (4, 4) that it may be a local minimum."""
    rotation, translation = split(expected)
    angle = angle_of(rotation.T @ refined.rotation)
    median = float(np.median(np.abs(refined.inverse_depth)))
    shift = float(np.linalg.norm(refined.translation - translation)) * median
    return bool(max(angle, shift) > TUNING.max_prediction_error)
