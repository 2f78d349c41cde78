# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How the camera is followed from the first frame on, while no depth is known.

All is taken to be somewhere about the usual depth. That is one guess of the whole scene, not one
for each cell: what is wrong with it, a floor that is nearer than the wall, is wrong for many cells
alike. If each cell's were weighed as a measurement of its own, they would outvote the matches, and
have the camera turn and step aside until all lies at one depth. So the prior of all cells together
counts as much as a few surfaces do.

With little parallax several motions explain the matches nearly as well: a step aside for a turn,
and on a plane the twin of the motion (Longuet-Higgins 1986). So the pose is refined from each, and
the lowest cost wins.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np

from loftr_vo.geometry import TwoView, inverse_depth, planar_motions
from loftr_vo.pose_refinement import (
    Observations,
    RefinedPose,
    deviation_across,
    fit_rotation,
    refine_depth,
    refine_pose,
    refine_rotation,
    rotation_errors,
)
from loftr_vo.rotation import angle_of

# Relative standard deviation of the usual depth, and of how many surfaces it is one each.
_GUESSED, _SURFACES = 0.5, 20
# Matches that tell one motion from another.
_ENOUGH = 300
# A turn leaves errors along the epipolar lines, which depths could explain, that are no larger
# than so many times those across them, which none can.
_NO_LARGER = 2.5
# It is one, too, where the way is so much shorter than what the turn moves at the usual depth.
_ON_THE_SPOT = 0.05
# The median length of a normal error in two dimensions is so many of its deviations.
_MEDIAN_LENGTH = 1.1774
# By how much the length is corrected, at most, to have the median depth the usual one: without
# parallax the depths are noise.
_LARGEST_CORRECTION = 2.0

_Start = tuple[np.ndarray, np.ndarray]
"""Rotation (3, 3) and translation (3,), frame from keyframe."""


def follow_without_depth(
    observations: Observations,
    two_view: TwoView,
    expected: _Start,
    usual_depth: float,
    threshold: float,
) -> tuple[Observations, RefinedPose]:
    """Find the motion of a frame while no depth is known.

    A turn on the spot is taken for one: depths left free would explain noise by translation.

    Args:
        observations: all N matches; what they have for depth is not looked at.
        two_view: the motion by the essential matrix, and its inliers.
        expected: where the camera would be if it went on as it went.
        usual_depth: median depth of the scene, in the odometry's unit.
        threshold: distance of an inlier from its epipolar line, in units of z = 1.

    Returns:
        All observations with the guess of their depths, as sure as they have shown to be; and the
        pose by the inliers.
    """
    guessed = _at_usual_depth(observations, usual_depth, int(two_view.inliers.sum()))
    inliers = guessed.select(two_view.inliers)
    turn = refine_rotation(inliers, fit_rotation(inliers)[0])
    error = rotation_errors(inliers, turn)
    starts = [(turn, np.zeros(3)), expected]
    starts += _two_view_starts(inliers, two_view, usual_depth, threshold)
    few = inliers.select(np.arange(0, len(error), max(1, len(error) // _ENOUGH)))
    best = min((refine_pose(few, *start) for start in starts), key=lambda each: each.cost)
    deviation = deviation_across(few, best.rotation, best.translation)
    excess = max(1.0, deviation**2)
    guessed, inliers = guessed.less_sure(excess), inliers.less_sure(excess)
    refined = refine_pose(inliers, best.rotation, best.translation)
    farthest = _ON_THE_SPOT * usual_depth * angle_of(turn)
    on_the_spot = np.linalg.norm(best.translation) < farthest
    if on_the_spot or np.median(error) < _NO_LARGER * _MEDIAN_LENGTH * deviation:
        return guessed, _held(inliers, refined, turn, np.zeros(3))
    return guessed, _with_median_depth(inliers, refined, usual_depth)


def _at_usual_depth(observations: Observations, usual_depth: float, count: int) -> Observations:
    deviation = _GUESSED / usual_depth
    return replace(
        observations,
        prior=np.full(len(observations.prior), 1 / usual_depth),
        variance=np.full(len(observations.prior), deviation**2 * max(1.0, count / _SURFACES)),
    )


def _two_view_starts(
    inliers: Observations, two_view: TwoView, usual_depth: float, threshold: float
) -> list[_Start]:
    """Motions by the essential matrix and by a homography, of a length that suits the depth."""
    rays0, rays1 = inliers.rays0, inliers.rays1
    starts = []
    for rotation, direction in (
        (two_view.rotation, two_view.direction),
        *planar_motions(rays0, rays1, threshold),
    ):
        rho = float(np.median(inverse_depth(rays0, rays1, rotation, direction)))
        starts.append((rotation, direction * max(rho, 0.0) * usual_depth))
    return starts


def _with_median_depth(
    inliers: Observations, refined: RefinedPose, usual_depth: float
) -> RefinedPose:
    """Give the translation the length with which the median depth is the usual one.

    That is how the first depths are scaled once they are there, so the pose goes on from here. The
    prior alone makes it too long: near cells and noise pull more than far ones do.
    """
    rho = inverse_depth(inliers.rays0, inliers.rays1, refined.rotation, refined.translation)
    longer = float(
        np.clip(usual_depth * np.median(rho), 1 / _LARGEST_CORRECTION, _LARGEST_CORRECTION)
    )
    stretch = np.diag([longer] * 3 + [1.0] * 3)
    return replace(
        _held(inliers, refined, refined.rotation, refined.translation * longer),
        covariance=stretch @ refined.covariance @ stretch,
    )


def _held(
    inliers: Observations, refined: RefinedPose, rotation: np.ndarray, translation: np.ndarray
) -> RefinedPose:
    """Put a pose in place of the refined one, with the depths that suit it."""
    depth = refine_depth(inliers, rotation, translation)
    return replace(
        refined, rotation=rotation, translation=translation, **dataclasses.asdict(depth)
    )
