# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion of a frame by cells of known depth, where RANSAC would find the same."""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.epipolar import (
    epipolar_distance,
)
from loftr_vo.geometry.rigid_motion import split
from loftr_vo.geometry.robust_cost import upper_median
from loftr_vo.odometry.pose.depth_refinement import distance_by_depth
from loftr_vo.odometry.pose.known_depth_refinement import solve_by_known_depth
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.tuning import TUNING
from loftr_vo.odometry.pose.two_view import TwoView

_MIN_BASELINE = 1e-12


def motion_from_known_depth(
    observations: Observations, known: np.ndarray, expected: np.ndarray, threshold: float
) -> tuple[tuple[np.ndarray, np.ndarray], TwoView] | None:
    """Return the motion by known depths, if these and most of all matches agree with it.

    Then no other motion competes, and RANSAC would find the same in three times the time.

    Args:
        observations: N matches.
        known: (N,) bool, sub-pixel matches of known depth.
        expected: (4, 4) frame from keyframe, to start from.
        threshold: distance of an inlier from its epipolar line, in pixels.

    Returns:
        Rotation and translation, frame from keyframe; and the same up to the length, with inliers.
    """
    indices = np.flatnonzero(known)
    if len(indices) < TUNING.sufficient_matches:
        return None
    some = observations.select(indices[:: len(indices) // TUNING.sufficient_matches])
    rotation, translation = solve_by_known_depth(some, *split(expected))
    away = distance_by_depth(some, rotation, translation)
    if _ratio(away < TUNING.depth_threshold_ratio * threshold) < TUNING.clear_inlier_ratio:
        return None
    length = max(float(np.linalg.norm(translation)), _MIN_BASELINE)
    direction = translation / length
    if length * upper_median(some.prior) > TUNING.min_baseline_ratio:
        rays0, rays1 = observations.rays0, observations.rays1
        distance = np.abs(
            epipolar_distance(rays0, rays1, rotation, direction, observations.by_pixel)
        )
        exact, inliers = distance < threshold, distance < TUNING.loose_threshold_ratio * threshold
    else:
        distance = distance_by_depth(observations, rotation, translation)
        exact = inliers = distance < TUNING.depth_threshold_ratio * threshold
    if _ratio(exact) < TUNING.clear_inlier_ratio:
        return None
    two_view = TwoView(rotation, direction, inliers)
    return (rotation, translation), two_view


def _ratio(chosen: np.ndarray) -> float:
    """Share of (N,) bool that is true."""
    return float(np.count_nonzero(chosen)) / len(chosen)
