# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The last seconds of an IMU's measurements, and the steps between any two times in them."""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.inertial import ImuSamples, interpolated
from loftr_vo.imaging.imu_rate import too_slow
from loftr_vo.odometry.inertial.preintegration import ImuSteps
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.scale.cell_depth import NoReading, NotYet


class SampleBuffer:
    """Keeps measurements; those of consecutive frames overlap.

    Attributes:
        seconds: for which measurements are kept.
        offset: nanoseconds by which the IMU's clock is ahead of the pictures'.
    """

    def __init__(self, seconds: float = TUNING.buffer_seconds) -> None:
        self.seconds = seconds
        self.offset = 0
        self._stamps = np.empty(0, np.int64)
        self._values = np.empty((0, 6))  # angular velocity, specific force

    @property
    def first_stamp(self) -> int | None:
        """Nanoseconds on the pictures' clock, of the first measurement kept; None without any."""
        return int(self._stamps[0]) - self.offset if len(self._stamps) else None

    @property
    def last_stamp(self) -> int | None:
        """Nanoseconds on the pictures' clock, of the last measurement; None without any."""
        return int(self._stamps[-1]) - self.offset if len(self._stamps) else None

    def angular_velocity(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all stamps (N,), on the IMU's own clock, and angular velocities (N, 3)."""
        return self._stamps, self._values[:, :3]

    def add(self, samples: ImuSamples) -> None:
        """Add measurements; those that are not later than the last are left out."""
        first = 0
        if len(self._stamps):
            first = int(np.searchsorted(samples.stamps, self._stamps[-1], side='right'))
        if first == len(samples):
            return
        values = np.hstack([samples.angular_velocity, samples.specific_force])[first:]
        oldest = int(samples.stamps[-1]) - round(self.seconds * 1e9)
        keep = int(np.searchsorted(self._stamps, oldest))
        self._stamps = np.concatenate([self._stamps[keep:], samples.stamps[first:]])
        self._values = np.concatenate([self._values[keep:], values])

    def steps(self, start: int, end: int) -> ImuSteps:
        """Return the steps from one time of the pictures' clock to a later one, in nanoseconds.

        Measurements are interpolated linearly: a step has the mean of those at its ends.

        Raises:
            NotYet: the measurements do not reach to the end yet.
            NoReading: they do not reach back to the start, have a gap, or are too few.
        """
        if not len(self._stamps):
            raise NoReading('no measurement of the IMU has come')
        slack = round(TUNING.max_extrapolation * 1e9)
        start, end = start + self.offset, end + self.offset
        if end > self._stamps[-1] + slack:
            late = (end - int(self._stamps[-1])) * 1e-9
            raise NotYet(f'the IMU is {late:.2f} s behind the pictures')
        if start < self._stamps[0] - slack:
            raise NoReading('the IMU does not reach back to this part of the way')
        first = int(np.searchsorted(self._stamps, start, side='right'))
        last = int(np.searchsorted(self._stamps, end, side='left'))
        around = self._stamps[max(first - 1, 0) : last + 1]
        if len(around) > 1 and np.diff(around).max() > TUNING.max_gap * 1e9:
            usual = float(np.median(np.diff(self._stamps)))
            slow = too_slow(1e9 / usual)
            raise NoReading(f'the IMU is too slow: {slow}' if slow else 'the IMU has gaps')
        # Relative to the start, so that a float64 has them to the nanosecond.
        times = (self._stamps - start) * 1e-9
        ends = np.array([0.0, (end - start) * 1e-9])
        nodes = np.concatenate([ends[:1], times[first:last], ends[1:]])
        low, high = max(first - 1, 0), min(last + 1, len(times))
        values = interpolated(nodes, times[low:high], self._values[low:high])
        means = (values[1:] + values[:-1]) / 2
        return ImuSteps(np.diff(nodes), means[:, :3], means[:, 3:])
