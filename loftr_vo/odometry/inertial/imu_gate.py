# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Leaves the measurements of an IMU out while they contradict the pictures."""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.odometry.inertial.imu_checks import ImuChecks
from loftr_vo.odometry.tracking.camera_step import CameraStep


class ImuGate:
    """Checks the measurements of each frame once its pose is known, for the frames after it.

    They are checked on while they are left out, so that they are used again once they agree.
    """

    def __init__(self) -> None:
        self._checks = ImuChecks()
        self._imu_from_camera: np.ndarray | None = None
        self._base_from_camera: np.ndarray | None = None
        self._samples: ImuSamples | None = None

    @property
    def fault(self) -> str:
        """In what the IMU contradicts the pictures; empty while it does not."""
        return self._checks.fault

    def mount_imu(self, imu_from_camera: np.ndarray) -> None:
        """Set where the IMU is, (4, 4), maps points of the camera to the IMU."""
        self._imu_from_camera = imu_from_camera
        self._checks.mount(imu_from_camera, self._base_from_camera)

    def mount_base(self, base_from_camera: np.ndarray) -> None:
        """Set the mounting of the camera, (4, 4), on a base that is level on level ground."""
        self._base_from_camera = base_from_camera
        if self._imu_from_camera is not None:
            self._checks.mount(self._imu_from_camera, base_from_camera)

    def reset(self) -> None:
        """Forget what was compared."""
        self._samples = None
        self._checks.reset()

    def admitted(self, samples: ImuSamples | None) -> ImuSamples | None:
        """Return the measurements of the next frame; None where they are to be left out."""
        self._samples = samples
        return None if self.fault else samples

    def compare(self, stamp: int, step: CameraStep | None) -> bool:
        """Compare the measurements of the frame with its step; return whether a fault is new.

        Args:
            stamp: nanoseconds, the frame's.
            step: since the frame before; None where it is not known.
        """
        if self._samples is None or self._imu_from_camera is None:
            return False
        had_fault = bool(self.fault)
        self._checks.add(stamp, step, self._samples)
        self._samples = None
        return bool(self.fault) and not had_fault
