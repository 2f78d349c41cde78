# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of an inertial measurement unit (IMU) and the model of their noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.config import ImuSettings


@dataclass(frozen=True, eq=False)
class ImuSamples:
    """Measurements of an IMU in the order of time, in its own frame.

    Attributes:
        stamps: (N,) int64 nanoseconds, strictly increasing, on the pictures' clock.
        angular_velocity: (N, 3) float64 in rad/s.
        specific_force: (N, 3) float64 in m/s^2, what an accelerometer measures: at rest it points
            up and is as long as gravity.
    """

    stamps: np.ndarray
    angular_velocity: np.ndarray
    specific_force: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.stamps)
        if self.angular_velocity.shape != (count, 3) or self.specific_force.shape != (count, 3):
            raise ValueError(
                f'{count} stamps of an IMU need (N, 3) angular velocities and specific forces, '
                f'got {self.angular_velocity.shape} and {self.specific_force.shape}'
            )
        if (np.diff(self.stamps) <= 0).any():
            raise ValueError('the stamps of an IMU must increase')

    def __len__(self) -> int:
        return len(self.stamps)

    def between(self, first: int | None, last: int) -> ImuSamples:
        """Return the samples of an interval, and one beyond each end where there is one.

        Args:
            first: nanoseconds; a sample at this very time is the one beyond. None: from the start.
            last: nanoseconds, likewise.
        """
        begin = 0
        if first is not None:
            begin = max(0, int(np.searchsorted(self.stamps, first, 'right')) - 1)
        return self.part(begin, int(np.searchsorted(self.stamps, last, 'left')) + 1)

    def part(self, begin: int, end: int) -> ImuSamples:
        """Return the samples from index ``begin`` on and before ``end``."""
        part = np.s_[begin:end]
        return ImuSamples(
            self.stamps[part], self.angular_velocity[part], self.specific_force[part]
        )


class ImuStream:
    """Puts the measurements of successive frames together, which overlap by two samples."""

    def __init__(self) -> None:
        self._parts: list[ImuSamples] = []
        self._last: int | None = None

    def add(self, samples: ImuSamples | None) -> ImuSamples | None:
        """Add what a frame carries, None for nothing; return those that are new."""
        if samples is None or not len(samples):
            return None
        first = 0
        if self._last is not None:
            first = int(np.searchsorted(samples.stamps, self._last, 'right'))
        new = samples.part(first, len(samples))
        if not len(new):
            return None
        self._last = int(new.stamps[-1])
        self._parts.append(new)
        return new

    @property
    def samples(self) -> ImuSamples | None:
        """All measurements so far; None if there are none."""
        if not self._parts:
            return None
        return ImuSamples(
            np.concatenate([each.stamps for each in self._parts]),
            np.concatenate([each.angular_velocity for each in self._parts]),
            np.concatenate([each.specific_force for each in self._parts]),
        )


@dataclass(frozen=True)
class ImuNoise:
    """The noise of an IMU in continuous time, as Kalibr and imu_utils state it.

    Attributes:
        gyroscope: noise density in rad/s/sqrt(Hz).
        accelerometer: noise density in m/s^2/sqrt(Hz).
        gyroscope_walk: random walk of the bias in rad/s^2/sqrt(Hz).
        accelerometer_walk: random walk of the bias in m/s^3/sqrt(Hz).
    """

    gyroscope: float
    accelerometer: float
    gyroscope_walk: float
    accelerometer_walk: float

    @classmethod
    def from_settings(cls, settings: ImuSettings) -> ImuNoise:
        """Return the densities of the settings."""
        return cls(
            settings.gyroscope_noise,
            settings.accelerometer_noise,
            settings.gyroscope_walk,
            settings.accelerometer_walk,
        )

    @classmethod
    def chosen(cls, calibrated: ImuNoise | None, settings: ImuSettings) -> ImuNoise:
        """Return the densities of a calibration; those of the settings where one of these is set.

        Args:
            calibrated: None where there are none.
            settings: which are set where a density differs from its default.
        """
        if calibrated is None or settings.sets_noise:
            return cls.from_settings(settings)
        return calibrated


@dataclass(frozen=True, eq=False)
class ImuCalibration:
    """What is known of an IMU beside a camera.

    Attributes:
        imu_from_camera: (4, 4) float64 in metres, maps points of the camera's optical frame to the
            IMU's (Kalibr's ``T_cam_imu`` is the inverse).
        noise: None where it is not known.
        time_shift: seconds by which the IMU's stamps are ahead of the pictures' (Kalibr's
            ``timeshift_cam_imu``); whoever reads recorded measurements takes it off.
    """

    imu_from_camera: np.ndarray
    noise: ImuNoise | None = None
    time_shift: float = 0.0


def interpolated(at: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values (N, D) at other times, (M, D), by straight lines in between.

    Before the first of ``times`` (N,) and after the last, they are those there.
    """
    return np.column_stack([np.interp(at, times, column) for column in values.T])
