# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Logging what messages bring about: however many come, the log does not run over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loftr_vo.files.text import printable

# Seconds between two lines of a kind: at first, and at most as it goes on.
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
# Seconds without any after which a kind counts as over.
_OVER = 60.0
# Kinds remembered; some are told apart by what others wrote.
_MOST_KINDS = 100
# A traceback is longer than what is said in words.
_MOST_CHARACTERS = 4000


@dataclass
class _Kind:
    """What is known of one kind of line."""

    last: float
    pause: float = 0.0
    next: float = 0.0
    left_out: int = 0


class LimitedLog:
    """A logger for lines that come as often as messages do.

    Of each kind one line is logged at once, the next ones at growing intervals, with how many
    were left out; whatever they say. Lines are cut and escaped, since others wrote parts of them.

    Args:
        logger: the node's.
        clock: seconds, only going forward.
    """

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}
        self._lock = threading.Lock()

    # A line of code for each severity: rclpy does not let one line log with changing severity.
    def info(self, kind: str, text: str) -> None:
        """Log what is good to know."""
        if (line := self._line(kind, text)) is not None:
            self._logger.info(line)

    def warning(self, kind: str, text: str) -> None:
        """Log what may be wrong."""
        if (line := self._line(kind, text)) is not None:
            self._logger.warning(line)

    def error(self, kind: str, text: str) -> None:
        """Log what is wrong."""
        if (line := self._line(kind, text)) is not None:
            self._logger.error(line)

    def _line(self, kind: str, text: str) -> str | None:
        """Return what to log, or None."""
        now = self._clock()
        with self._lock:
            known = self._kinds.get(kind)
            if known is None or now - known.last > max(_OVER, known.pause):
                known = _Kind(now)
            # The least recent kind is the first.
            self._kinds.pop(kind, None)
            self._kinds[kind] = known
            if len(self._kinds) > _MOST_KINDS:
                self._kinds.pop(next(iter(self._kinds)))
            known.last = now
            if now < known.next:
                known.left_out += 1
                return None
            known.pause = min(2 * known.pause or _FIRST_PAUSE, _LONGEST_PAUSE)
            known.next = now + known.pause
            left_out, known.left_out = known.left_out, 0
        line = printable(text, _MOST_CHARACTERS)
        return f'{line} ({left_out} more like it since the last)' if left_out else line
