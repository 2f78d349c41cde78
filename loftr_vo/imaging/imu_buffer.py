# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the measurements of an IMU until the pictures that they belong to."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

import numpy as np

from loftr_vo.geometry.inertial import ImuSamples


class ImuBuffer:
    """Measurements that wait for a frame; one thread puts them, another takes them.

    Args:
        capacity: most measurements that wait; the oldest give way.

    Attributes:
        apart: nanoseconds from the last stamp given to ``take`` to the nearest measurement; None
            where there was none.
    """

    def __init__(self, capacity: int) -> None:
        # Stamp, three angular velocities, three specific forces.
        self._items: deque[tuple[int, Sequence[float], Sequence[float]]] = deque(maxlen=capacity)
        self._arrived = threading.Condition()
        self._wanted: int | None = None
        self._closed = False
        self._last_frame: int | None = None
        self._last_taken: int | None = None
        self.apart: int | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(
        self, stamp: int, angular_velocity: Sequence[float], specific_force: Sequence[float]
    ) -> None:
        """Add a measurement; its stamp is after that of the last one, or ``clear`` came between.

        Args:
            stamp: nanoseconds.
            angular_velocity: of three axes in rad/s.
            specific_force: of three axes in m/s^2.
        """
        with self._arrived:
            self._items.append((stamp, angular_velocity, specific_force))
            if self._wanted is not None and stamp >= self._wanted:
                self._arrived.notify_all()

    def clear(self) -> None:
        """Forget all measurements: the clock was set."""
        with self._arrived:
            self._items.clear()
            self._last_taken = None

    def close(self) -> None:
        """End the waiting of ``take``, now and from now on."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def take(self, stamp: int, patience: float = 0.0) -> ImuSamples | None:
        """Return the measurements that belong to a frame.

        They are those since the frame before, or all where there is none, and one beyond each end
        of that interval where there is one. Those that came too late for the frame before are
        with the next one, together with the last that had been taken.

        Args:
            stamp: nanoseconds, of the frame; after a clock was set it may be before the last.
            patience: seconds to wait for a measurement at the stamp or after it.
        """
        with self._arrived:
            self._wait_for(stamp, patience)
            since = self._since(stamp)
            while since is not None and len(self._items) > 1 and self._items[1][0] <= since:
                self._items.popleft()
            taken = []
            for item in self._items:
                taken.append(item)
                if item[0] >= stamp:
                    break
            self._last_frame = stamp
            self._last_taken = taken[-1][0] if taken else None
            self.apart = min((abs(item[0] - stamp) for item in taken[-2:]), default=None)
        return _as_samples(taken) if taken else None

    def since(self, stamp: int) -> ImuSamples | None:
        """Return the measurements after a stamp and the one before it; they stay in the buffer."""
        found = []
        with self._arrived:
            for item in reversed(self._items):
                found.append(item)
                if item[0] <= stamp:
                    break
        return _as_samples(found[::-1]) if found else None

    def _wait_for(self, stamp: int, patience: float) -> None:
        deadline = time.monotonic() + patience
        self._wanted = stamp
        while not self._closed and (not self._items or self._items[-1][0] < stamp):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._arrived.wait(left)
        self._wanted = None

    def _since(self, stamp: int) -> int | None:
        """Return from when on measurements are new; None for all."""
        if self._last_frame is None or self._last_frame >= stamp:
            return None
        if self._last_taken is None:
            return self._last_frame
        return min(self._last_frame, self._last_taken)


def _as_samples(items: list[tuple[int, Sequence[float], Sequence[float]]]) -> ImuSamples:
    stamps, turns, forces = zip(*items, strict=True)
    return ImuSamples(
        np.array(stamps, np.int64),
        np.array(turns, float).reshape(-1, 3),
        np.array(forces, float).reshape(-1, 3),
    )
