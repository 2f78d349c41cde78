# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pairing of pictures with the messages of another topic by approximate time."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar('Item')

_SAME = 1_000_000  # nanoseconds; stamps no further apart are of one trigger


class StampMatcher(Generic[Item]):
    """Keeps the newest items of a topic by their stamps; one thread puts, another takes.

    Args:
        tolerance: largest difference in nanoseconds between an item and the stamp it is taken for.
        capacity: most items kept.
    """

    def __init__(self, tolerance: int, capacity: int) -> None:
        self._tolerance = tolerance
        self._items: deque[tuple[int, Item]] = deque(maxlen=capacity)
        self._arrived = threading.Condition()
        self._closed = False
        self.apart: int | None = None
        """Nanoseconds from the last stamp given to ``take`` to the nearest item, if too far."""

    def put(self, stamp: int, item: Item) -> None:
        """Add an item; after a clock was set back, those from before are forgotten."""
        with self._arrived:
            if self._items and stamp < self._items[-1][0]:
                self._items.clear()
            self._items.append((stamp, item))
            self._arrived.notify_all()

    def close(self) -> None:
        """End the waiting of ``take``, now and from now on."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def take(self, stamp: int, patience: float = 0.0) -> Item | None:
        """Return the item nearest to a stamp, or None if none is near enough.

        Args:
            stamp: nanoseconds.
            patience: seconds to wait for items to come that may be nearer than those there are.
        """
        deadline = time.monotonic() + patience
        with self._arrived:
            while not self._closed and not self._is_decided(stamp):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._arrived.wait(left)
            return self._nearest(stamp)

    def _is_decided(self, stamp: int) -> bool:
        """Whether what comes later cannot be nearer."""
        return any(abs(at - stamp) <= _SAME or at > stamp for at, _ in self._items)

    def _nearest(self, stamp: int) -> Item | None:
        if not self._items:
            self.apart = None
            return None
        at, item = min(self._items, key=lambda each: abs(each[0] - stamp))
        self.apart = None if abs(at - stamp) <= self._tolerance else abs(at - stamp)
        while self._items and self._items[0][0] < stamp - self._tolerance:
            self._items.popleft()
        return item if self.apart is None else None
