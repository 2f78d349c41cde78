# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the measurements of an IMU: counted by kind, the latest ones in words."""

from __future__ import annotations

from dataclasses import dataclass

# Seconds, by the stamps of the measurements, for which a fault is reported after it occurred.
REPORTED_FOR = 2.0


@dataclass(frozen=True)
class ImuReport:
    """The state of an IMU's measurements, looked at by themselves.

    Attributes:
        fault: what is wrong now; empty where nothing is.
        is_usable: whether they can be integrated; false where their unit is wrong, or there are
            too few.
        counts: how often each kind of fault occurred.
        hertz: measurements a second by their stamps; 0 if not known yet.
    """

    fault: str = ''
    is_usable: bool = True
    counts: str = ''
    hertz: float = 0.0


class ImuFaults:
    """Counts faults by kind and remembers when each occurred last."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._latest: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, stamp: int, text: str) -> None:
        """Count a fault.

        Args:
            kind: what it is called in the counts.
            stamp: nanoseconds, of the last good measurement before it.
            text: what it is called while it is new.
        """
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self._latest[kind] = stamp, text

    def is_new(self, kind: str, stamp: int) -> bool:
        """Whether a kind is not reported at a stamp."""
        return kind not in self._latest or stamp - self._latest[kind][0] > REPORTED_FOR * 1e9

    def current(self, stamp: int) -> str:
        """Return the text of the kind that occurred first of those still reported at a stamp."""
        texts = [text for kind, (_, text) in self._latest.items() if not self.is_new(kind, stamp)]
        return texts[0] if texts else ''

    def forget_times(self) -> None:
        """Report none of them any more; the counts are kept."""
        self._latest.clear()

    def __str__(self) -> str:
        return ', '.join(f'{kind} {count}' for kind, count in sorted(self._counts.items()))
