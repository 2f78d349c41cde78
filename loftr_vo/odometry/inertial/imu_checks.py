# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Whether an IMU contradicts the camera beside it, in its turns or in which way is up."""

from __future__ import annotations

import math

import numpy as np

from loftr_vo.geometry.inertial import ImuSamples, interpolated
from loftr_vo.geometry.rotation import rotation_vector
from loftr_vo.imaging.specific_force_unit import NO_GRAVITY, wrong_unit
from loftr_vo.odometry.inertial.clock_check import ClockCheck
from loftr_vo.odometry.inertial.stuck_gyroscope import StuckGyroscope
from loftr_vo.odometry.inertial.tuning import CHECK_TUNING as TUNING
from loftr_vo.odometry.inertial.turn_comparison import TurnComparison
from loftr_vo.odometry.tracking.camera_step import CameraStep


class ImuChecks:
    """Compares the measurements of an IMU with the steps of a camera.

    Attributes:
        fault: in what the IMU contradicts the camera; empty while it does not.
    """

    def __init__(self) -> None:
        self._imu_axes = np.eye(3)
        self._up: np.ndarray | None = None
        self.reset()

    def mount(self, imu_from_camera: np.ndarray, base_from_camera: np.ndarray | None) -> None:
        """Set where the IMU is.

        Args:
            imu_from_camera: (4, 4), maps points of the camera to the IMU.
            base_from_camera: (4, 4), the mounting of the camera on a base whose z axis is up on
                level ground; None where it is not known, and gravity not checked.
        """
        self._imu_axes = imu_from_camera[:3, :3]
        self._up = None if base_from_camera is None else base_from_camera[2, :3]
        self.reset()

    def reset(self) -> None:
        """Forget what was compared."""
        self.fault = ''
        self._turns = TurnComparison()
        self._stuck = StuckGyroscope()
        self._clock = ClockCheck()
        # Mean over some seconds, in the axes of the camera now.
        self._force = np.zeros(3)
        self._length = 0.0
        self._seconds = 0.0
        self._lengths: list[np.ndarray] = []
        self._lengths_since: int | None = None
        self._unit_fault = ''

    def add(self, stamp: int, step: CameraStep | None, samples: ImuSamples) -> None:
        """Compare a step of the camera with the measurements of its time.

        Args:
            stamp: nanoseconds, of the frame at the step's end.
            step: None where the camera's motion is not known.
            samples: those of the step's time, in the IMU's axes.
        """
        self._check_unit(stamp, samples)
        self._compare(stamp, step, samples)
        self.fault = (
            self._stuck.fault
            or self._turn_fault()
            or self._gravity_fault()
            or self._unit_fault
            or self._tilt_fault()
        )

    def _check_unit(self, stamp: int, samples: ImuSamples) -> None:
        """Judge the unit of the specific forces, once for each window."""
        if self._lengths_since is None:
            self._lengths_since = stamp
        self._lengths.append(np.linalg.norm(samples.specific_force, axis=1))
        if stamp - self._lengths_since < TUNING.unit_seconds * 1e9:
            return
        lengths = np.concatenate(self._lengths)
        self._unit_fault = wrong_unit(lengths) if len(lengths) else ''
        self._lengths, self._lengths_since = [], stamp

    def _compare(self, stamp: int, step: CameraStep | None, samples: ImuSamples) -> None:
        if step is None or not 0 < step.seconds <= TUNING.longest_step:
            self._seconds = 0.0
            return
        self._force = step.motion[:3, :3].T @ self._force
        if len(samples) < 2:
            return
        start = stamp - round(step.seconds * 1e9)
        by_camera = rotation_vector(step.motion[:3, :3])
        in_imu = self._imu_axes @ by_camera
        self._clock.add(start, stamp, in_imu, samples)
        if samples.stamps[0] > stamp or samples.stamps[-1] < start:
            return
        turn = mean_between(samples.stamps, samples.angular_velocity, start, stamp) * step.seconds
        self._turns.add(by_camera, turn @ self._imu_axes, step.seconds)
        self._stuck.add(in_imu, samples.angular_velocity, step.seconds)
        force = mean_between(samples.stamps, samples.specific_force, start, stamp)
        self._average(force, step.seconds)

    def _average(self, force: np.ndarray, seconds: float) -> None:
        self._seconds = min(self._seconds + seconds, TUNING.gravity_seconds)
        share = seconds / self._seconds
        self._force = (1 - share) * self._force + share * (force @ self._imu_axes)
        self._length = (1 - share) * self._length + share * float(np.linalg.norm(force))

    def _turn_fault(self) -> str:
        """Return in what both turn differently; a clock that is off looks like other axes."""
        fault = self._turns.fault
        return (self._clock.fault() or fault) if fault else ''

    def _gravity_fault(self) -> str:
        """Return that forces have no gravity in them, whatever their unit; empty if they have."""
        length = float(np.linalg.norm(self._force))
        enough = self._seconds >= TUNING.least_force_seconds
        return NO_GRAVITY if enough and length < TUNING.least_force_share * self._length else ''

    def _tilt_fault(self) -> str:
        """Return what is wrong with the direction of the specific force; empty if nothing is."""
        length = float(np.linalg.norm(self._force))
        if self._up is None or self._seconds < TUNING.gravity_seconds or not length:
            return ''
        tilt = math.degrees(math.acos(np.clip(self._up @ self._force / length, -1.0, 1.0)))
        if tilt <= TUNING.max_tilt:
            return ''
        return (
            f'by the specific force, up is {tilt:.0f} deg from the z axis of the base: do the '
            "axes of the IMU's frame follow REP 103, and does it measure +9.81 m/s^2 upwards?"
        )


def mean_between(stamps: np.ndarray, values: np.ndarray, start: int, end: int) -> np.ndarray:
    """Return the mean (3,) of values (N, 3) from start to end, straight lines in between.

    Beyond the first and the last stamp values are taken as constant.
    """
    inside = stamps[(stamps > start) & (stamps < end)]
    times = (np.concatenate([[start], inside, [end]]) - start) * 1e-9
    curves = interpolated(times, (stamps - start) * 1e-9, values).T
    areas = ((curves[:, 1:] + curves[:, :-1]) / 2) @ np.diff(times)
    return np.asarray(areas / times[-1])
