# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scale from another odometry: the ratio of the lengths of the same stretch of the path."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rigid_motion import inverse_transform
from loftr_vo.odometry.scale.cell_depth import NoReading, NotYet
from loftr_vo.odometry.scale.scale_filter import Reading, robust_mean
from loftr_vo.odometry.scale.tuning import TUNING
from loftr_vo.odometry.scale.wheel_path import WheelPath


@dataclass(frozen=True)
class _Stretch:
    """A part of the path: start and end in nanoseconds, length in units, rotation in radians."""

    start: int
    end: int
    length: float
    rotation: float


class WheelScale:
    """Compares the lengths of stretches of the path.

    Poses of the other odometry may come late: a stretch waits for them.

    Args:
        base_from_camera: (4, 4); in a curve the camera and the base move by different lengths.
        path: of the other odometry.
    """

    def __init__(self, base_from_camera: np.ndarray, path: WheelPath) -> None:
        self._base_from_camera = base_from_camera
        self._path = path
        self._waiting: deque[_Stretch] = deque(maxlen=TUNING.max_stretches)
        self._log_ratios: list[float] = []
        self._start: tuple[int, np.ndarray] | None = None
        self._problem = ''
        self._has_read = False

    def follow(self, stamp: int, pose: np.ndarray, reference_depth: float) -> None:
        """Add a pose of the camera, (4, 4) in the present unit."""
        if self._start is None:
            self._start = stamp, pose
            return
        start, before = self._start
        moved = inverse_transform(before) @ pose
        length = float(np.linalg.norm(moved[:3, 3]))
        if length >= TUNING.stretch_ratio * reference_depth:
            self._waiting.append(_Stretch(start, stamp, length, _rotation_angle(moved)))
        elif (stamp - start) * 1e-9 < TUNING.max_stretch_seconds:
            return
        self._start = stamp, pose

    def interrupt(self) -> None:
        """Drop the stretch that has begun: the camera was lost."""
        self._start = None

    def rescale(self, factor: float) -> None:
        """Change the unit: lengths are multiplied by ``factor``."""
        self._waiting = deque(
            (replace(stretch, length=stretch.length * factor) for stretch in self._waiting),
            maxlen=TUNING.max_stretches,
        )
        self._log_ratios = [ratio - math.log(factor) for ratio in self._log_ratios]
        # The pose at which the stretch began is in the old unit.
        self._start = None

    def reading(self) -> Reading:
        """Return the median ratio of the stretches since the last reading.

        Raises:
            NoReading: they are too few, or disagree.
        """
        self._measure_waiting()
        needed = TUNING.next_stretches if self._has_read else TUNING.first_stretches
        if len(self._log_ratios) < needed:
            raise self._missing(needed)
        middle, sigma = robust_mean(self._log_ratios, TUNING.min_wheel_sigma)
        if sigma > TUNING.max_wheel_sigma:
            # The older half is dropped, and a slip with it.
            del self._log_ratios[: len(self._log_ratios) // 2]
            raise NoReading('the other odometry and the camera do not go the same way: slip?')
        self._log_ratios.clear()
        self._has_read = True
        return Reading(middle, sigma)

    def _missing(self, needed: int) -> NoReading:
        if self._path.last_stamp is None:
            return NoReading('no odometry has come')
        if self._problem:
            return NoReading(self._problem)
        return NotYet(f'{len(self._log_ratios)} of {needed} stretches of the way compared')

    def _measure_waiting(self) -> None:
        newest = self._path.last_stamp
        if newest is None:
            return
        while self._waiting and self._waiting[0].end <= newest:
            stretch = self._waiting.popleft()
            try:
                self._log_ratios.append(self._log_ratio(stretch))
                self._problem = ''
            except NoReading as error:
                self._problem = str(error)
        if self._waiting:
            late = (self._waiting[-1].end - newest) * 1e-9
            if late > TUNING.max_pose_gap:
                self._problem = f'the other odometry is {late:.1f} s behind the pictures'

    def _log_ratio(self, stretch: _Stretch) -> float:
        base = inverse_transform(self._path.at(stretch.start)) @ self._path.at(stretch.end)
        camera = inverse_transform(self._base_from_camera) @ base @ self._base_from_camera
        length = float(np.linalg.norm(camera[:3, 3]))
        if length < TUNING.min_wheel_distance:
            raise NoReading('the camera moves and the other odometry stands still')
        rotation = _rotation_angle(camera)
        relative = TUNING.max_rotation_difference_ratio * max(rotation, stretch.rotation)
        if abs(rotation - stretch.rotation) > TUNING.max_rotation_difference + relative:
            raise NoReading('the other odometry turns otherwise than the camera: slip?')
        return math.log(length / stretch.length)


def _rotation_angle(motion: np.ndarray) -> float:
    return float(Rotation.from_matrix(motion[:3, :3]).magnitude())
