# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a gyroscope turns otherwise than the camera since its clock is far off."""

from __future__ import annotations

from collections import deque

import numpy as np

from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.imaging.imu_clock import too_large_offset
from loftr_vo.odometry.inertial.clock_offset import ClockOffset, offset_of_turns
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.inertial.tuning import CHECK_TUNING, TUNING


class ClockCheck:
    """Keeps the last turns of both, and compares them at other offsets of the clocks."""

    def __init__(self) -> None:
        self._samples = SampleBuffer(CHECK_TUNING.clock_seconds)
        # The stamp at the end of each step, and its turn; the first one's turn is not used.
        self._turns: deque[tuple[int, np.ndarray]] = deque()
        self._compared: int | None = None
        self._fault = ''

    def add(self, start: int, end: int, turned: np.ndarray, samples: ImuSamples) -> None:
        """Add a step of the camera.

        Args:
            start, end: nanoseconds.
            turned: (3,) rotation vector in radians, in the IMU's axes.
            samples: of the IMU, of the step's time.
        """
        self._samples.add(samples)
        if not self._turns or self._turns[-1][0] != start:
            self._turns.clear()
            self._turns.append((start, np.zeros(3)))
        self._turns.append((end, turned))
        while end - self._turns[0][0] > CHECK_TUNING.clock_seconds * 1e9:
            self._turns.popleft()

    def fault(self) -> str:
        """Return by how much the clocks differ; empty where that does not explain the turns.

        It is computed anew after ``clock_period`` seconds only.
        """
        if not self._turns:
            return ''
        now = self._turns[-1][0]
        if self._compared is None or now - self._compared > CHECK_TUNING.clock_period * 1e9:
            self._compared, self._fault = now, too_large(self._offset())
        return self._fault

    def _offset(self) -> ClockOffset | None:
        stamps = np.array([stamp for stamp, _ in self._turns])
        turned = np.array([turn for _, turn in self._turns])[1:]
        return offset_of_turns(stamps, turned, self._samples, TUNING.named_clock_offset)


def too_large(found: ClockOffset | None) -> str:
    """Return what is wrong where an offset is too large to be corrected; empty otherwise."""
    if found is None or found.is_correctable:
        return ''
    return too_large_offset(found.seconds, TUNING.max_clock_offset)
