# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How often something happens, measured over its last few times."""

from __future__ import annotations

import math
from collections import deque

# Times that the rate is measured over.
_RATE_WINDOW = 30
# A silence of as many mean periods is a pause: the rate is measured anew after it.
_PAUSE = 10


class Rate:
    """How often something happens, over the last few times since the last pause.

    Times are seconds of a clock that only goes forward.

    Attributes:
        count: how often it has happened in all.
    """

    def __init__(self) -> None:
        self.count = 0
        self._times: deque[float] = deque(maxlen=_RATE_WINDOW)

    def happened(self, now: float) -> None:
        """Count one more."""
        if len(self._times) > 2 and self.silence(now) > _PAUSE * self._period:
            self._times.clear()
        self._times.append(now)
        self.count += 1

    def forget(self) -> None:
        """Measure the rate anew; when it last happened is kept."""
        while len(self._times) > 1:
            self._times.popleft()

    @property
    def _period(self) -> float:
        """Mean seconds from one time to the next; there are two at least."""
        return (self._times[-1] - self._times[0]) / (len(self._times) - 1)

    def silence(self, now: float) -> float:
        """Return the seconds since it last happened; infinite if it never did."""
        return now - self._times[-1] if self._times else math.inf

    def hertz(self, now: float) -> float:
        """Return how often a second it happens; falls off when it stops, 0 if unknown."""
        if len(self._times) < 2:
            return 0.0
        mean = self._period
        silence = self.silence(now)
        return 1.0 / max(silence if silence > 2 * mean else mean, 1e-9)
