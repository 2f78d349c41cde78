# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Finds axes of an IMU at the end of their range: they repeat their largest value exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# Repetitions from which it is no chance: noise differs from one measurement to the next.
_REPEATED = 3
# No range ends below these. The smallest that are sold are 125 deg/s and 2 g; what is within is
# also at rest or in even motion.
_LEAST_TURN_RATE = 2.0  # rad/s
_LEAST_FORCE = 15.0  # m/s^2
_AXES = 'xyz'


class Saturation:
    """The last values of the six axes, and their largest of late."""

    def __init__(self) -> None:
        self._last: tuple[float, ...] = ()
        self._repeated = [0] * 6
        self._largest = [0.0] * 6
        self._largest_before = [0.0] * 6

    def next_window(self) -> None:
        """Forget the largest values of the window before the last."""
        self._largest_before, self._largest = self._largest, [0.0] * 6

    def add(self, angular_velocity: Sequence[float], force: Sequence[float]) -> Iterator[str]:
        """Add a measurement and yield what to say of each axis that is saturated."""
        values = (*angular_velocity, *force)
        # Where nothing differs, as of a simulated IMU that turns evenly, nothing can be said.
        differs = values != self._last
        for axis, value in enumerate(values):
            size = abs(value)
            self._largest[axis] = max(size, self._largest[axis])
            at_end = size >= max(self._largest[axis], self._largest_before[axis])
            least = _LEAST_TURN_RATE if axis < 3 else _LEAST_FORCE
            if size < least or not at_end or not self._last or value != self._last[axis]:
                self._repeated[axis] = 0
            elif differs:
                self._repeated[axis] += 1
            if self._repeated[axis] >= _REPEATED - 1:
                yield _in_words(axis, size)
        self._last = values


def _in_words(axis: int, size: float) -> str:
    if axis < 3:
        return f'the gyroscope is saturated about {_AXES[axis]}, at {size:.2f} rad/s'
    return f'the accelerometer is saturated along {_AXES[axis - 3]}, at {size:.1f} m/s^2'
