# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth in metres for a keyframe's cells: compared with the odometry's own, and taken over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.robust_cost import MEDIAN_SIGMA, SIGMA_PER_MAD
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.scale.scale_filter import Reading
from loftr_vo.odometry.scale.tuning import TUNING


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
    """A source has nothing to say of a keyframe; the message says why."""


class NotYet(NoReading):
    """Nothing is wrong; it only takes a little more before there is something to say."""


def compare(keyframe: Keyframe, measured: CellDepth) -> Reading:
    """Return how the odometry's depths relate to the measured ones: the median of their ratios.

    Raises:
        NoReading: too few cells have both.
    """
    both = keyframe.known[measured.cells]
    if both.sum() < TUNING.min_cells:
        raise NoReading(f'only {both.sum()} cells with depth by motion to compare with')
    cells = measured.cells[both]
    wanted, found = measured.inverse_depth[both], keyframe.inverse_depth[cells]
    ratio = found / wanted  # = metres over units
    # In terms of what was measured: a weight that leans on `found` would pull the median to it.
    typical = np.median(ratio)
    variance = keyframe.variance[cells] / typical**2 + measured.variance[both]
    middle = _weighted_median(ratio, wanted**2 / variance)
    spread = SIGMA_PER_MAD * float(np.median(np.abs(ratio - middle))) / middle
    sigma = MEDIAN_SIGMA * spread / np.sqrt(both.sum() / TUNING.correlated_cells)
    return Reading(float(np.log(middle)), max(TUNING.min_reading_sigma, float(sigma)))


def overwrite_depth(keyframe: Keyframe, measured: CellDepth) -> None:
    """Join measured depth with what a keyframe has, which must be in metres by now.

    Where both are known and contradict each other, the cell keeps its own: a depth sensor sees
    the wrong one of two surfaces more often than many frames do.
    """
    cells = measured.cells
    own, variance = keyframe.inverse_depth[cells], keyframe.variance[cells]
    total = variance + measured.variance
    apart = (own - measured.inverse_depth) ** 2 > TUNING.consistent_sigmas**2 * total
    taken = ~(keyframe.known[cells] & apart)
    weight = variance / total
    keyframe.inverse_depth[cells] = np.where(
        taken, own + weight * (measured.inverse_depth - own), own
    )
    keyframe.variance[cells] = np.where(taken, weight * measured.variance, variance)
    # For the refinement of the window, which then knows metres at its newest end too.
    keyframe.filtered_depth[cells] = measured.inverse_depth
    keyframe.filtered_variance[cells] = measured.variance * TUNING.correlated_cells


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    passed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(passed, passed[-1] / 2)])
