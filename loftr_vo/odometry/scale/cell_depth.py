# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Measured depth of a keyframe's cells in metres: compared with that by motion, and fused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from loftr_vo.geometry.robust_cost import MEDIAN_SIGMA, SIGMA_PER_MAD
from loftr_vo.odometry.scale.scale_filter import Reading
from loftr_vo.odometry.scale.tuning import TUNING

if TYPE_CHECKING:
    from loftr_vo.odometry.map.keyframe import Keyframe


@dataclass(frozen=True, eq=False)
class CellDepth:
    """Measured depth of M cells.

    Attributes:
        cells: (M,) int64, of the keyframe.
        inverse_depth: (M,) in 1/m.
        variance: (M,) of it.
    """

    cells: np.ndarray
    inverse_depth: np.ndarray
    variance: np.ndarray

    def __len__(self) -> int:
        return len(self.cells)


class NoReading(ValueError):
    """A source has no reading at a keyframe; the message has the reason."""


class NotYet(NoReading):
    """Nothing is wrong, but more measurements are needed for a reading."""


class Contradiction(NoReading):
    """The measurements contradict the odometry, so one of both is wrong, and so may the scale."""


def compare(keyframe: Keyframe, measured: CellDepth) -> Reading:
    """Return the median ratio of the measured depths to those by motion.

    Raises:
        NoReading: too few cells have both depths.
    """
    both = keyframe.known[measured.cells]
    if both.sum() < TUNING.min_cells:
        raise NoReading(f'only {both.sum()} cells with depth by motion to compare with')
    cells = measured.cells[both]
    metric, by_motion = measured.inverse_depth[both], keyframe.inverse_depth[cells]
    ratio = by_motion / metric  # metres in a unit
    # Weighted by the measured depth: weights that depend on ``by_motion`` would bias the median.
    typical = np.median(ratio)
    variance = keyframe.variance[cells] / typical**2 + measured.variance[both]
    middle = _weighted_median(ratio, metric**2 / variance)
    spread = SIGMA_PER_MAD * float(np.median(np.abs(ratio - middle))) / middle
    sigma = MEDIAN_SIGMA * spread / np.sqrt(both.sum() / TUNING.correlated_cells)
    return Reading(float(np.log(middle)), max(TUNING.min_reading_sigma, float(sigma)))


def overwrite_depth(keyframe: Keyframe, measured: CellDepth) -> None:
    """Fuse measured depth with that of a keyframe, whose unit must be a metre.

    Where both are known and contradict each other, the cell keeps its own: a depth sensor measures
    the wrong one of two surfaces more often than many frames do.
    """
    cells = measured.cells
    own, variance = keyframe.inverse_depth[cells], keyframe.variance[cells]
    total = variance + measured.variance
    contradicting = (own - measured.inverse_depth) ** 2 > TUNING.consistent_sigmas**2 * total
    fused = ~(keyframe.known[cells] & contradicting)
    weight = variance / total
    keyframe.inverse_depth[cells] = np.where(
        fused, own + weight * (measured.inverse_depth - own), own
    )
    keyframe.variance[cells] = np.where(fused, weight * measured.variance, variance)
    # A metric prior for the newest keyframe of bundle adjustment.
    keyframe.filtered_depth[cells] = measured.inverse_depth
    keyframe.filtered_variance[cells] = measured.variance * TUNING.correlated_cells


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    passed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(passed, passed[-1] / 2)])
