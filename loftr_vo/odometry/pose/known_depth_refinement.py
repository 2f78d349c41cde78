# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose from cells of known depth, their depths held fixed."""

from __future__ import annotations

import cv2
import numpy as np

from loftr_vo.geometry.linear_solve import solve
from loftr_vo.geometry.reprojection import (
    Linearised,
    linearise,
    squared_norms,
    summed_products,
)
from loftr_vo.geometry.robust_cost import (
    RAYLEIGH_MEDIAN_SQUARED,
    cauchy_weights,
    upper_median,
)
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.tuning import TUNING


def solve_by_known_depth(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the pose from cells of known depth, their depths held fixed.

    Gauss-Newton on the reprojection errors. The scale of the robust cost follows from their
    median, so far from the solution most matches have weight, and near it outliers have none. It
    converges over the rotation of a camera between two frames; ``refine_pose`` then refines the
    depths too.

    Args:
        observations: the matches; not fewer than six.
        rotation: (3, 3) to start from, frame from keyframe.
        translation: (3,) to start from.

    Returns:
        Rotation and translation.
    """
    for _ in range(TUNING.approach_iterations):
        linear = linearise(observations.match_arrays, rotation, translation, observations.prior)
        weighted = linear.by_pose * known_depth_weights(linear, observations.variance)
        flat = weighted.reshape(6, -1)
        hessian = summed_products(flat, linear.by_pose.reshape(6, -1))
        gradient = flat @ linear.residual.ravel()
        step = -solve(hessian, gradient)
        rotation, translation = cv2.Rodrigues(step[3:])[0] @ rotation, translation + step[:3]
        if -step @ gradient < TUNING.last_step_sigmas**2:
            break
    return rotation, translation


def known_depth_weights(linear: Linearised, depth_variance: np.ndarray) -> np.ndarray:
    """Weights (N,) of squared residuals, robust with a scale from their median.

    Args:
        linear: the problem, linearised at depths that are held fixed.
        depth_variance: (N,), of these depths.
    """
    # An error of depth moves the projection along by_depth; here it counts in all directions.
    variance = 1 + depth_variance * squared_norms(linear.by_depth)
    squared = squared_norms(linear.residual) / variance
    spread = max(1.0, upper_median(squared) / RAYLEIGH_MEDIAN_SQUARED)
    weights: np.ndarray = cauchy_weights(squared / spread) / (variance * spread)
    return weights
