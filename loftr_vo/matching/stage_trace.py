# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Time spans of the stages of a frame, to show how they overlap."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A stretch of time.

    Attributes:
        lane: the stage, such as encode.
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
        """Add a span."""
        self.spans.append(Span(lane, start, end))

    @contextlib.contextmanager
    def span(self, lane: str) -> Iterator[None]:
        """Add the span of the ``with`` block."""
        start = time.perf_counter()
        yield
        self.add(lane, start, time.perf_counter())


class NoTrace(Trace):
    """Discards spans."""

    def add(self, lane: str, start: float, end: float) -> None:
        """Do nothing."""
