# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How often something happens, measured over its last few times."""

from __future__ import annotations

import math

# Times that the rate is measured over.
_RATE_WINDOW = 30
# A silence of as many mean periods is a pause: the rate is measured anew after it.
_PAUSE = 10


class Rate:
    """How often something happens, over the last few times since the last pause.

    Times are seconds of a clock that only goes forward. One thread counts; others may read.

    Attributes:
        count: how often it has happened in all.
    """

    def __init__(self) -> None:
        self.count = 0
        # Replaced and never changed, so that a reader on another thread keeps what it has seen.
        self._times: tuple[float, ...] = ()

    def happened(self, now: float) -> None:
        """Count one more."""
        times = self._times
        if len(times) > 2 and now - times[-1] > _PAUSE * _mean_period(times):
            times = ()
        self._times = (*times, now)[-_RATE_WINDOW:]
        self.count += 1

    def forget(self) -> None:
        """Measure the rate anew; when it last happened is kept."""
        self._times = self._times[-1:]

    def silence(self, now: float) -> float:
        """Return the seconds since it last happened; infinite if it never did."""
        times = self._times
        return now - times[-1] if times else math.inf

    def hertz(self, now: float) -> float:
        """Return how often a second it happens; falls off when it stops, 0 if unknown."""
        times = self._times
        if len(times) < 2:
            return 0.0
        mean, silence = _mean_period(times), now - times[-1]
        return 1.0 / max(silence if silence > 2 * mean else mean, 1e-9)


def _mean_period(times: tuple[float, ...]) -> float:
    """Return the mean seconds from one time to the next; there are two at least."""
    return (times[-1] - times[0]) / (len(times) - 1)
