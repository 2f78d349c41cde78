# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The scale as a running estimate: readings in, corrections out, and how sure it is by now."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Relative standard deviation by which the odometry's unit drifts from one keyframe to the next;
# on rendered and real sequences it is 0.1 to 0.5 %.
DRIFT = 0.005
# A reading further off than this is an outlier, in standard deviations ...
_GATE = 3.5
# ... unless so many in a row say the same.
_MIN_CONSISTENT_READINGS = 5


@dataclass(frozen=True)
class Reading:
    """What a source says once.

    Attributes:
        log_ratio: natural logarithm of the metres in the odometry's present unit.
        sigma: standard deviation of it; what all readings of the source have in common is not
            in it.
    """

    log_ratio: float
    sigma: float


class ScaleFilter:
    """A Kalman filter of one number: the logarithm of the metres in the present unit.

    Its mean is always zero, because whoever asks rescales the world by each correction.

    Attributes:
        variance: of the logarithm; infinite before the first reading.
    """

    def __init__(self) -> None:
        self.variance = math.inf
        self._refused: list[float] = []

    def drift(self, sigma: float = DRIFT) -> None:
        """Be less sure, as after one more keyframe."""
        self.variance += sigma**2

    def correct(self, reading: Reading) -> float | None:
        """Return the factor that turns present lengths into metres; None for an outlier."""
        noise = reading.sigma**2
        if math.isinf(self.variance):
            self.variance = noise
            return math.exp(reading.log_ratio)
        if abs(reading.log_ratio) > _GATE * math.sqrt(self.variance + noise):
            if not self._is_consistent_jump(reading.log_ratio):
                return None
            # So many agree that it is the estimate that is wrong, by about as much.
            self.variance += reading.log_ratio**2
        self._refused.clear()
        gain = self.variance / (self.variance + noise)
        self.variance *= 1 - gain
        return math.exp(gain * reading.log_ratio)

    def _is_consistent_jump(self, log_ratio: float) -> bool:
        if self._refused and self._refused[-1] * log_ratio < 0:
            self._refused.clear()
        self._refused.append(log_ratio)
        return len(self._refused) >= _MIN_CONSISTENT_READINGS


def robust_mean(values: list[float], least_sigma: float) -> tuple[float, float]:
    """Median of values and its standard deviation, from their median absolute deviation.

    Args:
        values: one or more.
        least_sigma: of the result, however well they agree.
    """
    ordered = sorted(values)
    middle = _median(ordered)
    spread = 1.4826 * _median(sorted(abs(value - middle) for value in values))
    # A median's standard deviation is 1.2533 times a mean's.
    return middle, max(least_sigma, 1.2533 * spread / math.sqrt(len(values)))


def _median(ordered: list[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
