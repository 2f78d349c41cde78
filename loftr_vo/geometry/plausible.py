# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Ranges of the numbers in messages and files; what is outside is refused and counted.

A finite number may still be wrong: the position of a filter that diverged, a depth in the wrong
unit, memory that was never written. Squared and summed, it would spoil every estimate after it.
The ranges are wide: nothing that a camera on a robot measures lies outside.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Range:
    """Values from ``low`` to ``high``, both included.

    Attributes:
        what: the quantity, for messages.
        unit: of both; empty for a ratio.
    """

    what: str
    low: float
    high: float
    unit: str = ''

    def holds(self, values: Any) -> bool:
        """Whether a number, or every number of an array, is one and within the range."""
        return bool(np.all(self.within(values)))

    def within(self, values: Any) -> np.ndarray:
        """Whether each number is one and within the range: bool, of the same shape."""
        return np.asarray((values >= self.low) & (values <= self.high))

    def __str__(self) -> str:
        return f'{self.what} {self.low:g} to {self.high:g} {self.unit}'.rstrip()


# The stamps of ROS have 32 bits and a sign for the seconds (builtin_interfaces/Time); time begins
# at zero.
STAMP = Range('stamp', 0, 2**31 * 10**9 - 1, 'ns')
# Once around the Earth is 4e7 m, so what is farther from its origin than a quarter of that is in
# no plane map. Float64 has micrometres there.
POSITION = Range('position', -1e7, 1e7, 'm')
# Faster than any vehicle on wheels or with propellers; a train is at 100, an airliner at 250 m/s.
SPEED = Range('speed', 0.0, 300.0, 'm/s')
# How far from the centre of a machine its camera may sit: the largest cranes and ships.
MOUNTING = Range('place of the camera on the robot', -500.0, 500.0, 'm')
# An IMU that is fixed to a camera is within a vehicle's length of it; in millimetres it is beyond.
IMU_MOUNTING = Range('place of the camera on the IMU', -10.0, 10.0, 'm')
# Between the clocks of a camera and an IMU, as a calibration states it; in milliseconds it is
# beyond.
IMU_CLOCK = Range('shift of the clocks', -1.0, 1.0, 's')
# From a borescope to what any stereo or laser depth camera reaches.
DEPTH = Range('depth', 0.001, 1000.0, 'm')
# Baselines of stereo pairs: from an endoscope to the wings of a large aircraft.
BASELINE = Range('baseline', 1e-3, 20.0, 'm')
# Of a camera over the ground that it sees: from a vacuum cleaner to a low flight.
CAMERA_HEIGHT = Range('height of the camera', 0.005, 100.0, 'm')
# Of the picture's longer side. A fisheye of 360 degrees has 0.16, the longest telescopes of
# cameras 60.
FOCAL_LENGTH = Range('focal length', 0.05, 100.0, 'sides of the picture')
# Of the longer side, from the picture's corner: cut-outs of a sensor lie beside the axis.
PRINCIPAL_POINT = Range('principal point', -20.0, 20.0, 'longer sides of the picture')
# Of one axis of a gyroscope: the fastest that are sold measure 20,000 deg/s (350 rad/s). A turn of
# 350 deg/s given in degrees is within it, so that it can be found out by comparison.
TURN_RATE = Range('turn rate', -350.0, 350.0, 'rad/s')
# Of one axis of an accelerometer: those on machines end at 200 g, and g may be in another unit.
SPECIFIC_FORCE = Range('specific force', -2e4, 2e4, 'm/s^2')


def is_rotation(matrix: np.ndarray) -> bool:
    """Whether a (3, 3) matrix is a rotation, but for the rounding of a float32."""
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 2.0:
        return False
    return bool(np.abs(matrix @ matrix.T - np.eye(3)).max() < 1e-3 and np.linalg.det(matrix) > 0)


class Refusals:
    """Counts what was refused, by kind."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, count: int = 1) -> None:
        """Count one more, or several."""
        if count:
            self._counts[kind] += count

    @property
    def total(self) -> int:
        """How many, of all kinds."""
        return sum(self._counts.values())

    def __str__(self) -> str:
        # A copy, since another thread may add a kind meanwhile.
        return ', '.join(f'{kind} {count}' for kind, count in sorted(dict(self._counts).items()))
