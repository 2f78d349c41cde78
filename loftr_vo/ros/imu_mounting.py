# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Where the IMU sits beside the camera: by a calibration file, or by TF."""

from __future__ import annotations

import numpy as np

from loftr_vo.files.text import quoted
from loftr_vo.geometry.plausible import IMU_MOUNTING
from loftr_vo.ros.transforms import Extrinsics, TransformMissingError

_OTHERWISE = 'or name a file of it in imu_calibration'


class ImuMounting:
    """Finds the pose of the camera in the IMU once, and keeps it.

    Args:
        extrinsics: to look it up in TF with.
        calibrated: (4, 4) from a calibration file; None without one.

    Attributes:
        imu_from_camera: (4, 4), maps points of the camera to the IMU; None until it is found.
        missing: why it is not found; empty otherwise.
    """

    def __init__(self, extrinsics: Extrinsics, calibrated: np.ndarray | None = None) -> None:
        self._extrinsics = extrinsics
        self.imu_from_camera = calibrated
        self.missing = ''

    def find(self, imu_frame: str) -> np.ndarray | None:
        """Return the pose of the camera in the IMU, whose frame is named; None while it lacks."""
        if self.imu_from_camera is None:
            self.missing = self._look_up(imu_frame)
        return self.imu_from_camera

    def _look_up(self, imu_frame: str) -> str:
        """Look the pose up; return what is missing."""
        camera_frame = self._extrinsics.camera_frame
        for frame, what in ((imu_frame, 'imu'), (camera_frame, 'the pictures')):
            if not frame:
                return f'no frame_id on {what}: set it in the driver, {_OTHERWISE}'
        if imu_frame == camera_frame:
            self.imu_from_camera = np.eye(4)
            return ''
        try:
            found = self._extrinsics.look_up(imu_frame, camera_frame)
        except TransformMissingError as error:
            return f'{error}; publish it, {_OTHERWISE}'
        if not IMU_MOUNTING.holds(found[:3, 3]):
            return (
                f'by TF {quoted(camera_frame)} is not beside {quoted(imu_frame)}, but beyond '
                f'{IMU_MOUNTING}'
            )
        self.imu_from_camera = found
        return ''
