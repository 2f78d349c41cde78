# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Monocular initialisation: poses while no depth is known, and the first depths.

All cells are assumed at the median depth. That is a single guess for the whole scene: where it is
wrong, as on a floor that is nearer than the wall, it is wrong for many cells alike. Weighted as an
independent measurement of each cell it would outweigh the matches, and the camera would be rotated
and moved until all points are at one depth. So the priors of all cells together have the weight of
a few surfaces.

With little parallax several motions explain the matches nearly as well: a sideways translation
looks like a rotation, and a plane has two motions (Longuet-Higgins 1986). So the pose is refined
from each, and the one of lowest cost is used.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.epipolar import (
    inverse_depth,
    parallax,
)
from loftr_vo.geometry.robust_cost import RAYLEIGH_MEDIAN
from loftr_vo.geometry.rotation import angle_of
from loftr_vo.odometry.map.motion import MotionError
from loftr_vo.odometry.pose.depth_refinement import deviation_across, refine_depth
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_refinement import RefinedPose, complete_depths, refine_pose
from loftr_vo.odometry.pose.rotation_refinement import (
    fit_rotation,
    refine_rotation,
    rotation_errors,
)
from loftr_vo.odometry.pose.tuning import TUNING
from loftr_vo.odometry.pose.two_view import TwoView, planar_motions

_Start = tuple[np.ndarray, np.ndarray]
"""Rotation (3, 3) and translation (3,), frame from keyframe."""


def estimate_without_depth(
    observations: Observations,
    two_view: TwoView,
    expected: _Start,
    reference_depth: float,
    threshold: float,
) -> tuple[Observations, RefinedPose]:
    """Find the motion of a frame while no depth is known.

    A pure rotation is estimated as such: free depths would explain noise by a translation.

    Args:
        observations: all N matches; their depths are ignored.
        two_view: the motion by the essential matrix, and its inliers.
        expected: the predicted motion.
        reference_depth: median depth of the scene, in the odometry's unit.
        threshold: distance of an inlier from its epipolar line, in pixels.

    Returns:
        All observations with the guessed depths and the measured noise; and the pose by the
        inliers.
    """
    guessed = _at_reference_depth(observations, reference_depth, int(two_view.inliers.sum()))
    inliers = guessed.select(two_view.inliers)
    rotation = refine_rotation(inliers, fit_rotation(inliers)[0])
    error = rotation_errors(inliers, rotation)
    starts = [(rotation, np.zeros(3)), expected]
    starts += _two_view_starts(inliers, two_view, reference_depth, threshold)
    few = inliers.select(np.arange(0, len(error), max(1, len(error) // TUNING.sufficient_matches)))
    best = min((refine_pose(few, *start) for start in starts), key=lambda each: each.cost)
    deviation = deviation_across(few, best.rotation, best.translation)
    excess = max(1.0, deviation**2)
    guessed, inliers = guessed.with_inflated_noise(excess), inliers.with_inflated_noise(excess)
    refined = refine_pose(inliers, best.rotation, best.translation)
    farthest = TUNING.pure_rotation_ratio * reference_depth * angle_of(rotation)
    is_rotation = np.linalg.norm(best.translation) < farthest
    if is_rotation or np.median(error) < TUNING.max_anisotropy * RAYLEIGH_MEDIAN * deviation:
        return guessed, _with_pose(inliers, refined, rotation, np.zeros(3))
    return guessed, _with_median_depth(inliers, refined, reference_depth)


def _at_reference_depth(
    observations: Observations, reference_depth: float, count: int
) -> Observations:
    deviation = TUNING.guessed_depth_sigma / reference_depth
    return replace(
        observations,
        prior=np.full(len(observations.prior), 1 / reference_depth),
        variance=np.full(
            len(observations.prior), deviation**2 * max(1.0, count / TUNING.independent_surfaces)
        ),
    )


def _two_view_starts(
    inliers: Observations, two_view: TwoView, reference_depth: float, threshold: float
) -> list[_Start]:
    """Motions by the essential matrix and by a homography, scaled to the median depth."""
    rays0, rays1 = inliers.rays0, inliers.rays1
    starts = []
    for rotation, direction in (
        (two_view.rotation, two_view.direction),
        *planar_motions(rays0, rays1, threshold, inliers.by_pixel),
    ):
        rho = float(np.median(inverse_depth(rays0, rays1, rotation, direction)))
        starts.append((rotation, direction * max(rho, 0.0) * reference_depth))
    return starts


def _with_median_depth(
    inliers: Observations, refined: RefinedPose, reference_depth: float
) -> RefinedPose:
    """Scale the translation so that the median depth is the assumed one.

    The first depths will be scaled in the same way, so the pose will continue from here. The prior
    alone makes the translation too long: near cells and noise have more influence than far cells.
    """
    rho = inverse_depth(inliers.rays0, inliers.rays1, refined.rotation, refined.translation)
    most = TUNING.max_scale_correction
    factor = float(np.clip(reference_depth * np.median(rho), 1 / most, most))
    stretch = np.diag([factor] * 3 + [1.0] * 3)
    return replace(
        _with_pose(inliers, refined, refined.rotation, refined.translation * factor),
        covariance=stretch @ refined.covariance @ stretch,
    )


def _with_pose(
    inliers: Observations, refined: RefinedPose, rotation: np.ndarray, translation: np.ndarray
) -> RefinedPose:
    """Replace the pose of a solution, and compute the depths that fit it."""
    depth = refine_depth(inliers, rotation, translation)
    return replace(
        refined, rotation=rotation, translation=translation, **dataclasses.asdict(depth)
    )


def with_free_depths(
    observations: Observations, rotation: np.ndarray, direction: np.ndarray
) -> Observations:
    """Return the observations with the depths of a motion as a prior without weight."""
    rho = inverse_depth(observations.rays0, observations.rays1, rotation, direction)
    return replace(observations, prior=rho, variance=np.full(len(rho), 1e6))


def triangulate_first_depths(
    observations: Observations, two_view: TwoView, reference_depth: float
) -> RefinedPose:
    """Triangulate the first depths; the scale gives the median depth its assumed value.

    Raises:
        MotionError: too many of them are behind the camera.
    """
    free = with_free_depths(observations, two_view.rotation, two_view.direction)
    refined = refine_pose(
        free.select(two_view.inliers), two_view.rotation, two_view.direction, fixed_length=True
    )
    # These depths have no prior, so a single outlier can bias the pose: once more without.
    chosen = np.flatnonzero(two_view.inliers)[refined.error < TUNING.outlier_sigmas]
    refined = refine_pose(
        free.select(chosen), refined.rotation, refined.translation, fixed_length=True
    )
    if np.mean(refined.inverse_depth > 0) < TUNING.min_in_front_ratio:
        raise MotionError('too few inliers: the first depths do not lie in front of the camera')
    scale = reference_depth * float(np.median(refined.inverse_depth))
    translation = refined.translation * scale
    # The unit is a depth, so the depths' derivatives by the pose add to the length's variance.
    to_unit = np.diag([scale] * 3 + [1.0] * 3)
    to_unit[:3] += np.outer(translation, _median_by_pose(refined))
    refined = complete_depths(free, chosen, refined)
    return replace(
        refined,
        translation=translation,
        covariance=to_unit @ refined.covariance @ to_unit.T,
        inverse_depth=refined.inverse_depth / scale,
        depth_variance=refined.depth_variance / scale**2,
    )


def _median_by_pose(refined: RefinedPose) -> np.ndarray:
    """Derivative (6,) of the logarithm of the median inverse depth by the pose."""
    low, middle, high = np.quantile(refined.inverse_depth, [0.4, 0.5, 0.6])
    near = (refined.inverse_depth >= low) & (refined.inverse_depth <= high)
    # The mean over many cells, since that of a single one is noisy.
    return np.mean(refined.depth_by_pose[:, near], axis=1) / middle


def why_no_depth(inliers: Observations, two_view: TwoView, settings: GeometrySettings) -> str:
    """Return why nothing can be triangulated; empty where it can."""
    if np.median(fit_rotation(inliers)[1]) < TUNING.rotation_only_error:
        return 'no parallax, the camera rests or only turns: move it sideways to see depth'
    angle = float(np.median(parallax(inliers.rays0, inliers.rays1, two_view.rotation)))
    if angle < settings.min_parallax:
        return (
            f'parallax of {angle:.2f} deg is too little for depth, '
            f'{settings.min_parallax:g} deg is needed: move the camera sideways'
        )
    return ''
