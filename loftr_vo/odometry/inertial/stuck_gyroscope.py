# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A gyroscope that repeats one value, such as zero, while the camera turns."""

from __future__ import annotations

import numpy as np

from loftr_vo.odometry.inertial.tuning import CHECK_TUNING as TUNING


class StuckGyroscope:
    """Sums up how far the camera turned while a gyroscope repeated one value exactly.

    At rest, a simulated gyroscope without noise does so too.

    Attributes:
        fault: that it is stuck; empty while it is not, or the camera does not turn.
    """

    def __init__(self) -> None:
        self.fault = ''
        self._value = np.full(3, np.nan)
        self._turned = np.zeros(3)
        self._seconds = 0.0

    def add(self, by_camera: np.ndarray, angular_velocity: np.ndarray, seconds: float) -> None:
        """Add a step.

        Args:
            by_camera: (3,) rotation vector in radians, in the IMU's axes.
            angular_velocity: (N, 3) measured meanwhile, in the same axes; at least one.
            seconds: how long it took.
        """
        if not (angular_velocity == self._value).all():
            self.fault = ''
            self._value = angular_velocity[-1]
            self._turned, self._seconds = np.zeros(3), 0.0
            return
        self._seconds += seconds
        self._turned = self._turned + by_camera - self._value * seconds
        if np.linalg.norm(self._turned) > TUNING.stuck_turn:
            values = ', '.join(f'{value + 0.0:g}' for value in self._value)
            self.fault = f'the gyroscope repeats one value, ({values}), while the camera turns'
        elif self._seconds > TUNING.stuck_seconds:
            # Errors of the camera's steps are not to add up.
            self._turned, self._seconds = np.zeros(3), 0.0
