# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""When each stage of a frame ran, for whoever wants to see what overlaps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A stretch of time.

    Attributes:
        lane: what was busy, such as encode.
        start, end: in seconds of ``time.perf_counter``.
    """

    lane: str
    start: float
    end: float


class Trace:
    """Collects spans, from any thread."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def add(self, lane: str, start: float, end: float) -> None:
        """Note that a lane was busy."""
        self.spans.append(Span(lane, start, end))

    @contextlib.contextmanager
    def span(self, lane: str) -> Iterator[None]:
        """Note that a lane is busy within."""
        start = time.perf_counter()
        yield
        self.add(lane, start, time.perf_counter())


class NoTrace(Trace):
    """Collects nothing."""

    def add(self, lane: str, start: float, end: float) -> None:
        """Forget it."""
