# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A stretch of the path as camera and IMU measured it: the input of the alignment of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loftr_vo.odometry.inertial.preintegration import Bias, Preintegrated


@dataclass(frozen=True, eq=False)
class AlignmentWindow:
    """K poses by the camera, and the motions of the IMU between them.

    The axes of the world are those of the map; its origin is the camera at the first pose; its
    unit of length is unknown in metres.

    Attributes:
        rotations: (K, 3, 3), world from IMU, by the camera.
        positions: (K, 3) of the camera in the world, in units.
        position_sigma: (K,) standard deviation of a coordinate, in units; infinite for a pose that
            is no measurement.
        rotation_sigma: (K,) the same of the rotation, in radians.
        camera_in_imu: (3,) position of the camera in the IMU's axes, in metres.
        preintegrate: returns the K - 1 motions with a bias subtracted.
        preintegrate_negated: the same of specific forces that are the opposite of the measured.
    """

    rotations: np.ndarray
    positions: np.ndarray
    position_sigma: np.ndarray
    rotation_sigma: np.ndarray
    camera_in_imu: np.ndarray
    preintegrate: Callable[[Bias], Preintegrated]
    preintegrate_negated: Callable[[Bias], Preintegrated]

    def __len__(self) -> int:
        return len(self.positions)
