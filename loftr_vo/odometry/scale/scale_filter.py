# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A Kalman filter of the metric scale: readings in, corrections out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from loftr_vo.geometry.robust_cost import MEDIAN_SIGMA, SIGMA_PER_MAD
from loftr_vo.odometry.scale.tuning import TUNING

# Consecutive outliers that replace the estimate if they agree within their uncertainties.
_MIN_CONSISTENT_READINGS = 5
# The 99th percentile of chi squared with four degrees of freedom: five readings and their mean.
_AGREEMENT = 13.28


@dataclass(frozen=True)
class Reading:
    """One measurement of the scale by a source.

    Attributes:
        log_ratio: natural logarithm of the metres in the odometry's present unit.
        sigma: its standard deviation, without the error that all readings of a source share.
    """

    log_ratio: float
    sigma: float


class ScaleFilter:
    """A Kalman filter of one number: the logarithm of the metres in the present unit.

    Its mean is always zero, because the caller rescales the world by each correction.

    Attributes:
        variance: of the logarithm; infinite before the first reading.
    """

    def __init__(self) -> None:
        self.variance = math.inf
        self._refused: deque[Reading] = deque(maxlen=_MIN_CONSISTENT_READINGS)

    def drift(self, sigma: float = TUNING.drift) -> None:
        """Add the variance of one more keyframe."""
        self.variance += sigma**2

    def doubt(self) -> None:
        """Add variance: a source contradicts the odometry, and was perhaps wrong before."""
        self.variance += TUNING.contradiction_sigma**2

    def correct(self, reading: Reading) -> float | None:
        """Return the factor that turns present lengths into metres; None for an outlier."""
        if math.isinf(self.variance):
            self.variance = reading.sigma**2
            return math.exp(reading.log_ratio)
        sigma = math.hypot(math.sqrt(self.variance), reading.sigma)
        if abs(reading.log_ratio) > TUNING.gate_sigmas * sigma:
            self._refused.append(reading)
            joint = (
                agreement(self._refused)
                if len(self._refused) == _MIN_CONSISTENT_READINGS
                else None
            )
            if joint is None:
                return None
            # So many agree that the estimate is wrong, by about as much.
            reading = joint
            self.variance += reading.log_ratio**2
        self._refused.clear()
        gain = self.variance / (self.variance + reading.sigma**2)
        self.variance *= 1 - gain
        return math.exp(gain * reading.log_ratio)


def agreement(readings: Sequence[Reading]) -> Reading | None:
    """Return the weighted mean of five readings; None where they contradict each other.

    They do where the chi squared of their distances from the mean exceeds its 99th percentile. The
    drift of the unit between readings is part of their variance.
    """
    weights = [1 / (reading.sigma**2 + TUNING.drift**2) for reading in readings]
    total = sum(weights)
    pairs = list(zip(weights, readings, strict=True))
    mean = sum(weight * reading.log_ratio for weight, reading in pairs) / total
    chi_squared = sum(weight * (reading.log_ratio - mean) ** 2 for weight, reading in pairs)
    return None if chi_squared > _AGREEMENT else Reading(mean, 1 / math.sqrt(total))


def robust_mean(values: list[float], least_sigma: float) -> tuple[float, float]:
    """Median of values and its standard deviation, from their median absolute deviation.

    Args:
        values: one or more.
        least_sigma: of the result, however well they agree.
    """
    ordered = sorted(values)
    median = _median(ordered)
    spread = SIGMA_PER_MAD * _median(sorted(abs(value - median) for value in values))
    return median, max(least_sigma, MEDIAN_SIGMA * spread / math.sqrt(len(values)))


def _median(ordered: list[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
