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
    """Update the depths of a keyframe with those of a motion.

    Errors of a cell's matches are correlated from frame to frame: half of each is the noise of the
    keyframe's own patch. So the variance never falls below that of the best single measurement.
    """
    inliers = motion.inliers & (motion.inverse_depth > 0)
    cells = motion.matches.cells[inliers]
    best = np.minimum(keyframe.best_measured_variance[cells], motion.measured_variance[inliers])
    keyframe.best_measured_variance[cells] = best
    keyframe.inverse_depth[cells] = motion.inverse_depth[inliers]
    floor = np.maximum(motion.depth_variance[inliers], best)
    # A frame without parallax measures no depth and must not increase the variance.
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
    """Interpolate depth at a keyframe's cells from points between them.

    A cell gets the mean of its nearest neighbours, weighted by the inverse of their distance.
    Their spread adds to the variance. A cell between different surfaces gets none.

    Args:
        keyframe: the keyframe.
        points: (N, 2) pixels of its picture.
        inverse_depths: (N,) of the points, in the keyframe.
        variances: (N,).
        agreement_count: (N,) int, see ``Keyframe``.
        only: (C,) bool, cells that may get depth; all if not given.
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
        # The least of the neighbours that it is interpolated from.
        keyframe.agreement_count[cells] = agreement_count[index].min(axis=1)[one_surface]
