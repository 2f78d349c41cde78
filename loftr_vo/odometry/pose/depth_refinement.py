# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Inverse depths of cells with the pose held fixed, and what follows from them.

Each cell is independent of the others: its depth balances its prior against its match.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.reprojection import (
    DepthResidual,
    inner_products,
    squared_norms,
    vector_norms,
)
from loftr_vo.geometry.robust_cost import (
    NORMAL_MEDIAN,
    upper_median,
)
from loftr_vo.odometry.pose.observations import Observations


@dataclass(frozen=True, eq=False)
class RefinedDepth:
    """Depths that fit a pose held fixed; see ``RefinedPose`` for the fields."""

    inverse_depth: np.ndarray
    depth_variance: np.ndarray
    error: np.ndarray
    distance: np.ndarray


def refine_depth(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> RefinedDepth:
    """Compute each cell's inverse depth from its prior and its match, the pose held fixed."""
    depths, along = best_depths(observations, rotation, translation)
    residual, by_depth = along.at(depths)
    information = squared_norms(by_depth) + observations.information
    return RefinedDepth(depths, 1 / information, vector_norms(residual), along.distance(depths))


def measured_variance(posterior: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Variances (N,) of the measurements that led from prior variances to the posterior's."""
    return 1 / np.maximum(1 / posterior - 1 / prior, 1e-12)


def excess_variance(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> float:
    """Factor by which the measured variance of the matches exceeds their own; at least one."""
    return max(1.0, deviation_across(observations, rotation, translation) ** 2)


def deviation_across(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> float:
    """Standard deviation of errors across the epipolar lines over that of the matches.

    No depth explains these errors. It is computed from their median, without the outliers.
    """
    if not len(observations.prior):
        return 1.0
    depths, along = best_depths(observations, rotation, translation)
    residual, by_depth = along.at(depths)
    across = by_depth[0] * residual[1] - by_depth[1] * residual[0]
    across /= np.maximum(vector_norms(by_depth), 1e-12)
    return upper_median(np.abs(across)) / NORMAL_MEDIAN


def best_depths(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, DepthResidual]:
    """Inverse depths (N,) that fit a pose: two Gauss-Newton steps for each cell.

    Returns:
        The depths, and the residuals as a function of them.
    """
    depths, information = observations.prior, observations.information
    along = DepthResidual(observations.match_arrays, rotation, translation)
    for _ in range(2):
        residual, by_depth = along.at(depths)
        gradient = inner_products(by_depth, residual) + (depths - observations.prior) * information
        depths = depths - gradient / (squared_norms(by_depth) + information)
    return depths, along


def distance_by_depth(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """Distance (N,) of each match from the projection of its prior depth, in pixels."""
    there = rotation @ observations.rays0.T + translation[:, None] * observations.prior
    error = there[:2] / np.maximum(there[2], 1e-6) - observations.rays1[:, :2].T
    return observations.match_arrays.in_pixels(error)
