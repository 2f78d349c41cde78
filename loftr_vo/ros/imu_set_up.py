# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the input of an IMU from the settings."""

from __future__ import annotations

from typing import Any

import numpy as np

from loftr_vo.config import NodeSettings, Settings
from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.imaging.imu_calibration import read_imu_calibration
from loftr_vo.ros.health import Health
from loftr_vo.ros.imu_input import ImuInput
from loftr_vo.ros.imu_mounting import ImuMounting
from loftr_vo.ros.transforms import Extrinsics


def make_imu_input(
    settings: NodeSettings,
    needed: Settings,
    extrinsics: Extrinsics,
    odometry: Any,
    health: Health,
) -> ImuInput | None:
    """Return what takes the measurements of an IMU; None where none is needed.

    Args:
        settings: the node's.
        needed: the odometry's, which say whether an IMU is needed, and its noise.
        extrinsics: to find the IMU with.
        odometry: a ``VisualOdometry``, which is told where the IMU is.
        health: where its state is noted.

    Raises:
        CalibrationError: the ``imu_calibration`` cannot be used.
    """
    if 'imu' not in needed.companions:
        return None
    noise, pose, shift = ImuNoise.from_settings(needed.imu), None, 0
    if settings.imu_calibration:
        calibration = read_imu_calibration(settings.imu_calibration)
        noise = ImuNoise.chosen(calibration.noise, needed.imu)
        pose = calibration.imu_from_camera
        shift = round(calibration.time_shift * 1e9)

    def mount(imu_from_camera: np.ndarray) -> None:
        odometry.mount_imu(imu_from_camera, noise)

    return ImuInput(settings, ImuMounting(extrinsics, pose), mount, health, shift)
