# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The depth filter: inverse depth and variance of a keyframe's cells, from frame to frame."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.map.tuning import TUNING


def update_depth(keyframe: Keyframe, motion: Motion) -> None:
    """Take over the depths that a motion measured.

    Errors of one match are alike from frame to frame, so many frames from one place do not make a
    depth as sure as their number says: they do not bring its variance below that of the best
    single measurement.
    """
    inliers = motion.inliers & (motion.inverse_depth > 0)
    cells = motion.matches.cells[inliers]
    best = np.minimum(keyframe.best_measured_variance[cells], motion.measured_variance[inliers])
    keyframe.best_measured_variance[cells] = best
    keyframe.inverse_depth[cells] = motion.inverse_depth[inliers]
    floor = np.maximum(motion.depth_variance[inliers], best)
    # A frame from the same place measures nothing, and what is known stays known.
    keyframe.variance[cells] = np.minimum(keyframe.variance[cells], floor)
    keyframe.agreement_count[motion.matches.cells[~motion.inliers]] = 0
    keyframe.agreement_count[cells] += 1
    keyframe.update_reference_depth()


def store_filtered_depth(keyframe: Keyframe) -> None:
    """Store the depths filtered until the next keyframe, as a prior for bundle adjustment."""
    keyframe.filtered_depth = keyframe.inverse_depth.copy()
    keyframe.filtered_variance = TUNING.filtered_depth_inflation * keyframe.variance


def propagate_depth(
    keyframe: Keyframe,
    points: np.ndarray,
    inverse_depths: np.ndarray,
    variances: np.ndarray,
    agreement_count: np.ndarray | None = None,
    only: np.ndarray | None = None,
) -> None:
    """Interpolate depth at the cells from points that lie between them.

    A cell takes the mean of its nearest neighbours, weighted by nearness; what they differ by adds
    to the variance, and where they lie on different surfaces the cell takes none.

    Args:
        keyframe: whose cells take the depth.
        points: (N, 2) pixels of its picture.
        inverse_depths: (N,), seen from it.
        variances: (N,).
        agreement_count: (N,) int, see ``Keyframe``.
        only: (C,) bool, the cells that may take depth; all if not given.
    """
    if len(points) < TUNING.neighbours:
        return
    pixels = keyframe.encoded.cell_centres() + keyframe.offsets
    cell_size = 8 * keyframe.encoded.image_pixels_per_network_pixel.mean()
    distance, index = cKDTree(points).query(
        pixels, k=TUNING.neighbours, distance_upper_bound=TUNING.neighbour_reach * cell_size
    )
    surrounded = np.isfinite(distance).all(axis=1)
    if only is not None:
        surrounded &= only
    distance, index = distance[surrounded], index[surrounded]
    weight = 1 / (distance + TUNING.neighbour_softening * cell_size)
    weight /= weight.sum(axis=1, keepdims=True)
    values = inverse_depths[index]
    mean = np.sum(weight * values, axis=1)
    spread = np.sum(weight * (values - mean[:, None]) ** 2, axis=1)
    one_surface = np.sqrt(spread) < TUNING.max_relative_spread * np.abs(mean)
    cells = np.flatnonzero(surrounded)[one_surface]
    keyframe.inverse_depth[cells] = mean[one_surface]
    variance = np.sum(weight * variances[index], axis=1) + spread
    keyframe.variance[cells] = variance[one_surface]
    if agreement_count is not None:
        # Surrounded by cells that agreed, and no longer than the least of them.
        keyframe.agreement_count[cells] = agreement_count[index].min(axis=1)[one_surface]
