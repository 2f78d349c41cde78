# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The time that each stage of a frame takes."""

from __future__ import annotations

import time

from loftr_vo.matching.stage_trace import Trace


class Stopwatch:
    """Adds up the time of named stages.

    Args:
        trace: records when they ran.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.milliseconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to ``stage``."""
        now = time.perf_counter()
        spent = (now - self._since) * 1e3
        self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + spent
        # The network's stages are traced where they run; the host only waits for them.
        self._trace.add('geometry' if stage == 'geometry' else 'waiting', self._since, now)
        self._since = now

    @property
    def total(self) -> float:
        """Milliseconds of all stages."""
        return sum(self.milliseconds.values())
