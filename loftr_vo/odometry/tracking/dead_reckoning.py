# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Dead reckoning: while the camera is lost, its pose follows another odometry or an IMU."""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.rigid_motion import inverse_transform, skew, transform
from loftr_vo.geometry.rotation import angle_of, rotate_covariance
from loftr_vo.odometry.scale.cell_depth import NoReading
from loftr_vo.odometry.scale.wheel_path import BaseMotion, Guide, MotionPath
from loftr_vo.odometry.tracking.camera_step import CameraStep
from loftr_vo.odometry.tracking.tuning import TUNING


class DeadReckoning:
    """Moves a pose on as another odometry goes.

    Poses are (4, 4), map from camera. A pose is computed from that at which the camera was lost,
    not from the last one: poses of the other odometry that come late correct it. Where they do not
    reach back to it (a gap, a new start), the pose is held and the way goes on from there.

    Attributes:
        reason: what the pose does, for the status.
    """

    def __init__(self) -> None:
        self.stop()

    def stop(self) -> None:
        """End it: the camera is located."""
        self._start: tuple[int, np.ndarray] | None = None
        self._position = np.zeros(3)  # where the camera was lost
        self._earlier = np.zeros((6, 6))  # covariance of the motion before the last gap
        self._present = np.zeros((6, 6))  # covariance of the motion since then
        self._way = self._angle = 0.0  # distance and angle since then
        self._blind_before = 0.0  # seconds that no odometry measured, and none will fill
        self._late = 0.0  # seconds since the other odometry's last pose, which may still be filled
        self.reason = ''

    @property
    def has_begun(self) -> bool:
        """Whether a motion is followed."""
        return self._start is not None

    @property
    def blind_seconds(self) -> float:
        """Time in which neither the camera nor the other odometry measured the motion."""
        return self._blind_before + self._late

    def begin(self, stamp: int, pose: np.ndarray) -> None:
        """Begin at a pose, unless it has begun.

        Args:
            stamp: nanoseconds, of the last frame before the first one lost.
            pose: of that frame.
        """
        if self._start is None:
            self._start = stamp, pose
            self._position = pose[:3, 3]

    def follow(
        self, stamp: int, before: int, pose: np.ndarray, guide: Guide
    ) -> tuple[np.ndarray, CameraStep | None]:
        """Return the pose of a frame, and the camera's motion since the frame before if known.

        Args:
            stamp: nanoseconds, of the frame.
            before: nanoseconds, of the frame before.
            pose: of the frame before.
            guide: what to follow.
        """
        self.begin(before, pose)
        assert self._start is not None
        start, start_pose = self._start
        try:
            moved = guide.path.motion(start, stamp)
            last = guide.path.motion(max(before, start), stamp)
        except NoReading as error:
            self._hold(stamp, before, pose, guide.path)
            self.reason = f'the pose is held: {error}'
            return pose, None
        self._late = 0.0
        self._way += float(np.linalg.norm(last.motion[:3, 3]))
        self._angle += angle_of(last.motion[:3, :3])
        camera, covariance = _of_camera(moved, guide.base_from_camera, self._way, self._angle)
        self.reason = f'the pose follows {guide.name}'
        if not guide.metric:
            camera = transform(camera[:3, :3], np.zeros(3))
            self._blind_before += (stamp - before) * 1e-9
            self.reason = f'the pose is turned as {guide.name} turns: no scale is known'
        self._present = rotate_covariance(covariance, start_pose[:3, :3])
        step = _step(last, guide, (stamp - max(before, start)) * 1e-9)
        return start_pose @ camera, step

    def covariance(self, pose: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Return the covariance (6, 6) of the present pose from that where the camera was lost.

        An error of the rotation there also moves the positions after it.
        """
        if self._start is None:
            return covariance
        carried = np.eye(6)
        carried[:3, 3:] = -skew(pose[:3, 3] - self._position)
        return carried @ covariance @ carried.T + self._earlier + self._present

    def _hold(self, stamp: int, before: int, pose: np.ndarray, path: MotionPath) -> None:
        """Hold the pose; go on from here if the other odometry cannot fill the gap any more."""
        assert self._start is not None
        newest = path.last_stamp
        if newest is not None and path.covers(self._start[0]) and newest < stamp:
            self._late = (stamp - newest) * 1e-9
            return
        self._late = 0.0
        self._blind_before += (stamp - before) * 1e-9
        self._earlier = self._earlier + self._present
        self._present = np.zeros((6, 6))
        self._way = self._angle = 0.0
        self._start = stamp, pose


def _of_camera(
    moved: BaseMotion, base_from_camera: np.ndarray, way: float, angle: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the camera's motion from the base's, and its covariance in the camera's first axes.

    Args:
        moved: motion of the base.
        base_from_camera: (4, 4).
        way, angle: metres and radians that the base moved, for an odometry that does not state
            its covariance.
    """
    covariance = moved.covariance
    if covariance is None:
        position = TUNING.wheel_way_share * way
        rotation = TUNING.wheel_angle_share * angle + TUNING.wheel_turn_per_metre * way
        covariance = np.diag([position**2] * 3 + [rotation**2] * 3)
    turn, place = base_from_camera[:3, :3], base_from_camera[:3, 3]
    jacobian = np.zeros((6, 6))
    jacobian[:3, :3] = jacobian[3:, 3:] = turn.T
    jacobian[:3, 3:] = -turn.T @ skew(moved.motion[:3, :3] @ place)
    camera = inverse_transform(base_from_camera) @ moved.motion @ base_from_camera
    return camera, jacobian @ covariance @ jacobian.T


def _step(last: BaseMotion, guide: Guide, seconds: float) -> CameraStep | None:
    """Return the camera's motion since the frame before, ``seconds`` ago."""
    if not guide.metric or seconds <= 0:
        return None
    motion = last.motion
    way, angle = float(np.linalg.norm(motion[:3, 3])), angle_of(motion[:3, :3])
    camera, covariance = _of_camera(last, guide.base_from_camera, way, angle)
    # Wheels that stand still do not prove that the robot does: it may slip.
    speed, rate = TUNING.wheel_rest_sigma
    floor = np.array([speed] * 3 + [rate] * 3) * seconds
    covariance = rotate_covariance(covariance, camera[:3, :3].T) + np.diag(floor**2)
    return CameraStep(seconds, camera, covariance)


def drift_while_blind(seconds: float, depth: float) -> np.ndarray:
    """(6, 6) growth of the covariance of a pose that is held for some seconds; depth: median."""
    growth = TUNING.lost_drift * seconds
    return np.diag(np.array([growth * depth] * 3 + [growth] * 3) ** 2)
