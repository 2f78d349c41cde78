# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scale from another odometry: the ratio of the lengths of the same stretch of the path."""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.plausible import (
    POSITION,
    SPEED,
    Refusals,
    is_rotation,
)
from loftr_vo.geometry.rigid_motion import inverse_transform, transform
from loftr_vo.imaging.frame import BasePose
from loftr_vo.imaging.stamp_gate import AGREEING, StampGate, Succession
from loftr_vo.odometry.scale.cell_depth import NoReading, NotYet
from loftr_vo.odometry.scale.scale_filter import Reading, robust_mean
from loftr_vo.odometry.scale.tuning import TUNING


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
        refusals: counts implausible poses.
    """

    def __init__(self, base_from_camera: np.ndarray, refusals: Refusals | None = None) -> None:
        self._base_from_camera = base_from_camera
        self._refusals = refusals or Refusals()
        self._stamps = StampGate()
        self._unreachable: list[BasePose] = []
        self._poses: deque[BasePose] = deque(maxlen=TUNING.max_poses)
        self._waiting: deque[_Stretch] = deque(maxlen=TUNING.max_stretches)
        self._log_ratios: list[float] = []
        self._start: tuple[int, np.ndarray] | None = None
        self._problem = ''
        self._has_read = False

    def add(self, poses: Iterable[BasePose]) -> None:
        """Add poses of the other odometry.

        A pose that is not later than the last is left out, and so is one that no vehicle reaches
        from there. If several consecutive ones are reachable from each other, the other odometry
        was restarted, and the poses before are dropped.
        """
        for pose in poses:
            if not (POSITION.holds(pose.pose[:3, 3]) and is_rotation(pose.pose[:3, :3])):
                self._refusals.add('wheel pose')
                continue
            last = self._stamps.last
            how = self._stamps.judge(pose.stamp)
            if how is Succession.REFUSED:
                # Some odometries repeat a pose, which is not worth a report.
                self._refusals.add('wheel stamp', int(pose.stamp != last))
            elif how is Succession.JUMP:
                self._restart([pose])
            elif not self._poses or _reaches(self._poses[-1], pose):
                self._unreachable.clear()
                self._poses.append(pose)
            else:
                self._add_unreachable(pose)

    def _add_unreachable(self, pose: BasePose) -> None:
        """Keep a pose that is not reachable from the last, until others continue from it."""
        self._refusals.add('wheel step')
        if self._unreachable and not _reaches(self._unreachable[-1], pose):
            self._unreachable.clear()
        self._unreachable.append(pose)
        if len(self._unreachable) == AGREEING:
            self._restart(self._unreachable)

    def _restart(self, poses: list[BasePose]) -> None:
        self._poses = deque(poses, maxlen=TUNING.max_poses)
        self._unreachable = []

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
        if not self._poses:
            return NoReading('no odometry has come')
        if self._problem:
            return NoReading(self._problem)
        return NotYet(f'{len(self._log_ratios)} of {needed} stretches of the way compared')

    def _measure_waiting(self) -> None:
        while self._waiting and self._poses and self._waiting[0].end <= self._poses[-1].stamp:
            stretch = self._waiting.popleft()
            try:
                self._log_ratios.append(self._log_ratio(stretch))
                self._problem = ''
            except NoReading as error:
                self._problem = str(error)
        if self._waiting and self._poses:
            late = (self._waiting[-1].end - self._poses[-1].stamp) * 1e-9
            if late > TUNING.max_pose_gap:
                self._problem = f'the other odometry is {late:.1f} s behind the pictures'

    def _log_ratio(self, stretch: _Stretch) -> float:
        base = inverse_transform(self._at(stretch.start)) @ self._at(stretch.end)
        camera = inverse_transform(self._base_from_camera) @ base @ self._base_from_camera
        length = float(np.linalg.norm(camera[:3, 3]))
        if length < TUNING.min_wheel_distance:
            raise NoReading('the camera moves and the other odometry stands still')
        rotation = _rotation_angle(camera)
        relative = TUNING.max_rotation_difference_ratio * max(rotation, stretch.rotation)
        if abs(rotation - stretch.rotation) > TUNING.max_rotation_difference + relative:
            raise NoReading('the other odometry turns otherwise than the camera: slip?')
        return math.log(length / stretch.length)

    def _at(self, stamp: int) -> np.ndarray:
        """Interpolate the other odometry at a time.

        Raises:
            NoReading: there are no poses near it.
        """
        after = bisect.bisect_left(self._poses, stamp, key=lambda pose: pose.stamp)
        if after == len(self._poses) or (after == 0 and self._poses[0].stamp != stamp):
            raise NoReading('the other odometry does not reach back to this part of the way')
        late = self._poses[after]
        if late.stamp == stamp:
            return late.pose
        early = self._poses[after - 1]
        if (late.stamp - early.stamp) * 1e-9 > TUNING.max_pose_gap:
            raise NoReading('the other odometry has gaps')
        return _between(early, late, (stamp - early.stamp) / (late.stamp - early.stamp))


def _reaches(early: BasePose, late: BasePose) -> bool:
    """Whether a robot can move from the earlier pose to the later one."""
    distance = float(np.linalg.norm(late.pose[:3, 3] - early.pose[:3, 3]))
    return SPEED.holds(distance / ((late.stamp - early.stamp) * 1e-9))


def _between(early: BasePose, late: BasePose, share: float) -> np.ndarray:
    step = Rotation.from_matrix(early.pose[:3, :3].T @ late.pose[:3, :3]).as_rotvec()
    rotation = early.pose[:3, :3] @ Rotation.from_rotvec(share * step).as_matrix()
    return transform(rotation, (1 - share) * early.pose[:3, 3] + share * late.pose[:3, 3])


def _rotation_angle(motion: np.ndarray) -> float:
    return float(Rotation.from_matrix(motion[:3, :3]).magnitude())
