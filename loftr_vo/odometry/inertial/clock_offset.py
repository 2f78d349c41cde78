# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The offset between the clocks of camera and IMU, by how both turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.inertial import interpolated
from loftr_vo.geometry.so3 import logarithm
from loftr_vo.odometry.inertial.camera_path import PathPose
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.inertial.tuning import TUNING


@dataclass(frozen=True)
class ClockOffset:
    """By how much the IMU's stamps are later than those of pictures of the same moment.

    Attributes:
        seconds: the offset.
        sigma: its standard deviation.
    """

    seconds: float
    sigma: float

    @property
    def is_significant(self) -> bool:
        """Whether it is to be corrected."""
        return abs(self.seconds) > max(3 * self.sigma, TUNING.least_clock_offset)


def clock_offset(
    poses: Sequence[PathPose], samples: SampleBuffer, imu_from_camera: np.ndarray
) -> ClockOffset | None:
    """Return the offset with which the gyroscope turned as the camera did.

    The rates of both are compared from picture to picture, a constant bias apart: at many offsets,
    and from the best of them by Gauss and Newton's method. From one picture to the next rotations
    are small, so that the integral of the rate is their vector.

    Args:
        poses: of the camera, one after the other.
        samples: of the IMU; the offset that they have already is left out of account.
        imu_from_camera: (4, 4), maps points of the camera to the IMU.

    Returns:
        None where the rates do not determine it, or it is beyond the largest that is looked for.
    """
    margin = TUNING.max_clock_offset
    stamps, rates = samples.angular_velocity()
    stamp = np.array([each.stamp for each in poses])
    inside = slice(0, 0)
    if len(stamps) > 1:
        slack = round(margin * 1e9)
        first = int(np.searchsorted(stamp, stamps[0] + slack))
        inside = slice(first, int(np.searchsorted(stamp, stamps[-1] - slack, side='right')))
    stamp = stamp[inside]
    if len(stamp) < TUNING.min_poses:
        return None
    rotations = np.stack([each.pose[:3, :3] for each in poses[inside]])
    turned = logarithm(rotations[:-1].swapaxes(1, 2) @ rotations[1:])
    problem = _Rates(
        (stamps - stamp[0]) * 1e-9,
        rates,
        (stamp - stamp[0]) * 1e-9,
        turned @ imu_from_camera[:3, :3].T,
    )
    grid = np.linspace(-margin, margin, TUNING.clock_offset_steps)
    best = int(np.argmin([np.sum(problem.residuals(offset) ** 2) for offset in grid]))
    if best in (0, len(grid) - 1):
        return None
    return problem.solve(float(grid[best]))


class _Rates:
    """Turn rates of both in the IMU's axes: times in seconds, rates, times, turns (N - 1, 3)."""

    def __init__(
        self, times: np.ndarray, rates: np.ndarray, pictures: np.ndarray, turned: np.ndarray
    ) -> None:
        self._times, self._rates, self._pictures = times, rates, pictures
        steps = np.diff(times)[:, None] * (rates[1:] + rates[:-1]) / 2
        self._integral = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
        self._seconds = np.diff(pictures)[:, None]
        self._by_camera = turned / self._seconds

    def residuals(self, offset: float) -> np.ndarray:
        """(N - 1, 3) by how much the gyroscope is faster, its mean apart."""
        turned = np.diff(self._at(self._integral, offset), axis=0) / self._seconds
        difference = turned - self._by_camera
        centred: np.ndarray = difference - difference.mean(axis=0)
        return centred

    def solve(self, offset: float) -> ClockOffset | None:
        """Return the offset of least squares near another."""
        for _ in range(TUNING.clock_offset_rounds):
            residuals = self.residuals(offset)
            slope = np.diff(self._at(self._rates, offset), axis=0) / self._seconds
            slope = slope - slope.mean(axis=0)
            information = float(np.sum(slope**2))
            if information == 0:
                return None
            offset -= float(np.sum(slope * residuals)) / information
        degrees = max(residuals.size - 4, 1)
        sigma = float(np.sqrt(np.sum(residuals**2) / degrees / information))
        if not sigma < TUNING.max_clock_sigma or abs(offset) > TUNING.max_clock_offset:
            return None
        return ClockOffset(offset, sigma)

    def _at(self, values: np.ndarray, offset: float) -> np.ndarray:
        return interpolated(self._pictures + offset, self._times, values)
