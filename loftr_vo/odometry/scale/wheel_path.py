# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The path of another odometry, such as that of wheels, between any two times."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.plausible import POSITION, SPEED, Refusals, is_rotation
from loftr_vo.geometry.rigid_motion import inverse_transform, skew, transform
from loftr_vo.geometry.rotation import rotate_covariance
from loftr_vo.imaging.frame import BasePose
from loftr_vo.imaging.stamp_gate import AGREEING, StampGate, Succession
from loftr_vo.odometry.scale.cell_depth import NoReading
from loftr_vo.odometry.scale.tuning import TUNING


@dataclass(frozen=True, eq=False)
class BaseMotion:
    """How the base moved between two times.

    Attributes:
        motion: (4, 4) in metres, maps points of the later base to the earlier one.
        covariance: (6, 6) of translation and rotation (left perturbation) in the axes of the
            earlier base; None where the other odometry does not state any.
    """

    motion: np.ndarray
    covariance: np.ndarray | None


class WheelPath:
    """Poses of another odometry, interpolated; they may come late.

    Args:
        refusals: counts implausible poses.
    """

    def __init__(self, refusals: Refusals | None = None) -> None:
        self._refusals = refusals or Refusals()
        self._stamps = StampGate()
        self._unreachable: list[BasePose] = []
        self._poses: deque[BasePose] = deque(maxlen=TUNING.max_poses)

    @property
    def last_stamp(self) -> int | None:
        """Nanoseconds, of the last pose; None without any."""
        return self._poses[-1].stamp if self._poses else None

    def covers(self, stamp: int) -> bool:
        """Whether the poses reach back to a time in nanoseconds."""
        return bool(self._poses) and self._poses[0].stamp <= stamp

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

    def motion(self, start: int, end: int) -> BaseMotion:
        """Return how the base moved between two times in nanoseconds.

        The end may be somewhat later than the last pose: then the velocity is taken as constant.

        Raises:
            NoReading: there are no poses near one of the times.
        """
        first, last = self._pose_at(start), self._pose_at(end, extrapolate=True)
        motion = inverse_transform(first.pose) @ last.pose
        return BaseMotion(motion, _covariance_between(first, last))

    def at(self, stamp: int) -> np.ndarray:
        """Return the pose (4, 4) at a time in nanoseconds.

        Raises:
            NoReading: there are no poses near it.
        """
        return self._pose_at(stamp).pose

    def _pose_at(self, stamp: int, *, extrapolate: bool = False) -> BasePose:
        after = bisect.bisect_left(self._poses, stamp, key=lambda pose: pose.stamp)
        if extrapolate and after == len(self._poses) > 1:
            after -= 1
            if (stamp - self._poses[after].stamp) * 1e-9 > TUNING.max_pose_gap:
                raise NoReading('no odometry has come lately')
        if after == len(self._poses) or (after == 0 and self._poses[0].stamp != stamp):
            raise NoReading('the other odometry does not reach back to this part of the way')
        late = self._poses[after]
        if late.stamp == stamp:
            return late
        early = self._poses[after - 1]
        if (late.stamp - early.stamp) * 1e-9 > TUNING.max_pose_gap:
            raise NoReading('the other odometry has gaps')
        share = (stamp - early.stamp) / (late.stamp - early.stamp)
        return BasePose(stamp, _between(early, late, share), _covariance_at(early, late, share))


class MotionPath(Protocol):
    """How a base moves, as another odometry or an IMU measures it."""

    @property
    def last_stamp(self) -> int | None:
        """Nanoseconds, of the last measurement; None without any."""

    def covers(self, stamp: int) -> bool:
        """Whether the measurements reach back to a time in nanoseconds."""

    def motion(self, start: int, end: int) -> BaseMotion:
        """Return the motion between two times; see ``WheelPath.motion``."""


@dataclass(frozen=True, eq=False)
class Guide:
    """What a lost camera follows.

    Attributes:
        path: motion of the base, in metres.
        base_from_camera: (4, 4), mounting of the camera.
        metric: whether the map's unit is a metre. If not, the camera is turned only.
        name: of what measures the path, for the status.
        bridges: whether it is followed whatever ``recovery.policy`` is.
    """

    path: MotionPath
    base_from_camera: np.ndarray
    metric: bool
    name: str = 'the other odometry'
    bridges: bool = False


def _reaches(early: BasePose, late: BasePose) -> bool:
    """Whether a robot can move from the earlier pose to the later one."""
    distance = float(np.linalg.norm(late.pose[:3, 3] - early.pose[:3, 3]))
    return SPEED.holds(distance / ((late.stamp - early.stamp) * 1e-9))


def _between(early: BasePose, late: BasePose, share: float) -> np.ndarray:
    step = Rotation.from_matrix(early.pose[:3, :3].T @ late.pose[:3, :3]).as_rotvec()
    rotation = early.pose[:3, :3] @ Rotation.from_rotvec(share * step).as_matrix()
    return transform(rotation, (1 - share) * early.pose[:3, 3] + share * late.pose[:3, 3])


def _covariance_at(early: BasePose, late: BasePose, share: float) -> np.ndarray | None:
    if early.covariance is None or late.covariance is None:
        return None
    # Beyond the last pose it is that of the last.
    share = min(share, 1.0)
    return (1 - share) * early.covariance + share * late.covariance


def _covariance_between(first: BasePose, last: BasePose) -> np.ndarray | None:
    """(6, 6) of the motion between two poses, in the axes of the first; None if not stated.

    The covariances are those of the poses in one fixed frame. The later one has the earlier one's
    in it, whose rotation also moves the later position; what it has more is the motion's own. An
    odometry whose covariance does not grow with the way states none.
    """
    if first.covariance is None or last.covariance is None:
        return None
    if np.trace((last.covariance - first.covariance)[:3, :3]) <= 0:
        return None
    carried = np.eye(6)
    carried[:3, 3:] = -skew(last.pose[:3, 3] - first.pose[:3, 3])
    grown = last.covariance - carried @ first.covariance @ carried.T
    values, vectors = np.linalg.eigh((grown + grown.T) / 2)
    grown = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return rotate_covariance(grown, first.pose[:3, :3].T)
