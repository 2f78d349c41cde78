# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion model: constant velocity, and bounds of what a camera can do."""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rigid_motion import inverse_transform, skew, transform
from loftr_vo.geometry.rotation import angle_of, rotation_vector
from loftr_vo.odometry.tracking.tuning import TUNING


class MotionModel:
    """Keeps the last tracked poses, (4, 4) each, world from camera."""

    def __init__(self) -> None:
        self._poses: deque[tuple[int, np.ndarray]] = deque(maxlen=TUNING.max_poses)
        self._twist: np.ndarray | None = None  # of these poses, computed when needed

    @property
    def last_stamp(self) -> int:
        """Nanoseconds, of the last tracked frame; 0 where there is none."""
        return self._poses[-1][0] if self._poses else 0

    @property
    def known(self) -> bool:
        """Whether there are enough poses for a velocity."""
        return len(self._poses) > 1

    def add_pose(self, stamp: int, pose: np.ndarray) -> None:
        """Add the pose of a tracked frame."""
        # Two frames of one stamp have no velocity between them.
        if not self._poses or stamp > self._poses[-1][0]:
            self._poses.append((stamp, pose))
            self._twist = None

    def rescale(self, scale: float, shift: np.ndarray) -> None:
        """Convert the poses to another unit: X' = scale X + shift, (3,)."""
        self._poses = deque(
            [
                (stamp, transform(pose[:3, :3], scale * pose[:3, 3] + shift))
                for stamp, pose in self._poses
            ],
            maxlen=TUNING.max_poses,
        )
        self._twist = None

    def interrupt(self) -> None:
        """Clear the pose history, velocity included."""
        self._poses.clear()
        self._twist = None

    def twist(self) -> np.ndarray:
        """(6,) velocity in the camera's axes: units a second, radians a second."""
        if not self.known:
            return np.zeros(6)
        if self._twist is None:
            (begin, first), (end, last) = self._poses[0], self._poses[-1]
            step = inverse_transform(first) @ last
            self._twist = _logarithm(step) / ((end - begin) * 1e-9)
        return self._twist

    def predict(self, pose: np.ndarray, seconds: float) -> np.ndarray:
        """Return the pose after ``seconds`` at the last velocity."""
        return pose @ _exponential(self.twist() * seconds)

    def reaches(self, step: np.ndarray, seconds: float, reference_depth: float) -> bool:
        """Whether a camera can make a motion (4, 4) in ``seconds`` without being tracked."""
        return self._within(
            step,
            seconds,
            TUNING.max_speed_ratio,
            np.array(TUNING.max_speed_at_rest) * seconds,
            reference_depth,
        )

    def is_jump(self, step: np.ndarray, seconds: float, reference_depth: float) -> bool:
        """Whether no camera makes a motion (4, 4) from one frame to the next."""
        if not self.known:
            return False
        return not self._within(
            step, seconds, TUNING.jump_speed_ratio, np.array(TUNING.jump_at_rest), reference_depth
        )

    def _within(
        self,
        step: np.ndarray,
        seconds: float,
        times: float,
        at_rest: np.ndarray,
        reference_depth: float,
    ) -> bool:
        twist = self.twist()
        speeds = np.linalg.norm(twist[:3]), np.linalg.norm(twist[3:])
        distance = np.linalg.norm(step[:3, 3])
        angle = angle_of(step[:3, :3])
        return bool(
            distance <= times * speeds[0] * seconds + at_rest[0] * reference_depth
            and angle <= times * speeds[1] * seconds + at_rest[1]
        )


def _exponential(twist: np.ndarray) -> np.ndarray:
    """(4, 4) motion of a constant velocity (6,) after one unit of time."""
    vector = twist[3:]
    return transform(Rotation.from_rotvec(vector).as_matrix(), _left_jacobian(vector) @ twist[:3])


def _logarithm(motion: np.ndarray) -> np.ndarray:
    """(6,) constant velocity that makes a motion (4, 4) in one unit of time."""
    vector = rotation_vector(motion[:3, :3])
    return np.concatenate([np.linalg.solve(_left_jacobian(vector), motion[:3, 3]), vector])


def _left_jacobian(vector: np.ndarray) -> np.ndarray:
    """(3, 3) left Jacobian of SO(3): the mean rotation during one by ``vector``, (3,)."""
    angle, cross = float(np.linalg.norm(vector)), skew(vector)
    if angle < 1e-6:
        return np.eye(3) + cross / 2
    first, second = (1 - np.cos(angle)) / angle**2, (angle - np.sin(angle)) / angle**3
    return np.eye(3) + first * cross + second * cross @ cross
