# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The offset between the clocks of camera and IMU, by how both turned."""

from __future__ import annotations

import math
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

    @property
    def is_correctable(self) -> bool:
        """Whether it is small enough to be corrected."""
        return abs(self.seconds) <= TUNING.max_clock_offset


def clock_offset(
    poses: Sequence[PathPose],
    samples: SampleBuffer,
    imu_from_camera: np.ndarray,
    largest: float = TUNING.max_clock_offset,
) -> ClockOffset | None:
    """Return the offset with which the gyroscope turned as the camera did.

    Args:
        poses: of the camera, one after the other.
        samples: of the IMU; the offset that they have already is left out of account.
        imu_from_camera: (4, 4), maps points of the camera to the IMU.
        largest: seconds that are looked for, to either side.

    Returns:
        None where the rates do not determine it, or it is beyond the largest that is looked for.
    """
    if len(poses) < TUNING.min_poses:
        return None
    rotations = np.stack([each.pose[:3, :3] for each in poses])
    turned = logarithm(rotations[:-1].swapaxes(1, 2) @ rotations[1:])
    stamps = np.array([each.stamp for each in poses])
    return offset_of_turns(stamps, turned @ imu_from_camera[:3, :3].T, samples, largest)


def offset_of_turns(
    pictures: np.ndarray, turned: np.ndarray, samples: SampleBuffer, largest: float
) -> ClockOffset | None:
    """Return the offset with which the gyroscope turned as the camera from picture to picture.

    The rates of both are compared, a constant bias apart: at many offsets, and from the best of
    them by Gauss and Newton's method. From one picture to the next rotations are small, so that
    the integral of the rate is their vector.

    Args:
        pictures: (N,) int64 stamps.
        turned: (N - 1, 3) rotation vectors in the IMU's axes.
        samples, largest: as ``clock_offset`` has them.

    Returns:
        None as for ``clock_offset``.
    """
    stamps, rates = samples.angular_velocity()
    inside = slice(0, 0)
    if len(stamps) > 1:
        slack = round(largest * 1e9)
        first = int(np.searchsorted(pictures, stamps[0] + slack))
        inside = slice(first, int(np.searchsorted(pictures, stamps[-1] - slack, side='right')))
    pictures = pictures[inside]
    if len(pictures) < TUNING.min_poses:
        return None
    problem = _Rates(
        (stamps - pictures[0]) * 1e-9,
        rates,
        (pictures - pictures[0]) * 1e-9,
        turned[inside.start : inside.stop - 1],
    )
    steps = 2 * math.ceil(largest / TUNING.clock_offset_step) + 1
    grid = np.linspace(-largest, largest, steps)
    best = int(np.argmin([np.sum(problem.residuals(offset) ** 2) for offset in grid]))
    if best in (0, len(grid) - 1):
        return None
    return problem.solve(float(grid[best]), largest)


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

    def solve(self, offset: float, largest: float) -> ClockOffset | None:
        """Return the offset of least squares near another; None beyond the largest."""
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
        if not sigma < TUNING.max_clock_sigma or abs(offset) > largest:
            return None
        return ClockOffset(offset, sigma)

    def _at(self, values: np.ndarray, offset: float) -> np.ndarray:
        return interpolated(self._pictures + offset, self._times, values)
