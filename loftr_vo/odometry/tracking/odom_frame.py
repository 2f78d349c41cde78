# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The frame ``odom``: its pose stays continuous where the pose in the map jumps (REP 105)."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rigid_motion import inverse_transform, transform
from loftr_vo.geometry.rotation import rotate_covariance, rotation_vector
from loftr_vo.odometry.tracking.tuning import TUNING


class OdomFrame:
    """The transform from the map to ``odom``, changed where the pose would jump.

    Poses are (4, 4), world from camera. A step that is possible while not tracked is blended in
    over several frames, at no more than the last speed in addition to the camera's motion. A
    larger step moves the map in ``odom`` for good.

    Attributes:
        odom_from_map: (4, 4).
        covariance: (6, 6) of ``odom_from_map``, as that of a pose, see ``Estimate``.
    """

    def __init__(self) -> None:
        self.odom_from_map = np.eye(4)
        self.covariance = np.zeros((6, 6))
        self._goal: np.ndarray | None = None

    def to_odom(self, pose: np.ndarray) -> np.ndarray:
        """Convert a pose in the map to ``odom``."""
        return self.odom_from_map @ pose

    def covariance_of(self, pose: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Convert the covariance (6, 6) of a pose in the map to ``odom``; see ``Estimate``.

        The rest of a step that is being blended in is a known error, and is added.
        """
        total = rotate_covariance(covariance, self.odom_from_map[:3, :3]) + self.covariance
        total = (total + total.T) / 2
        if self._goal is not None:
            rest = _between(self.odom_from_map @ pose, self._goal @ pose)
            total = total + np.outer(rest, rest)
        return total

    def keep_map(self, covariance: np.ndarray) -> None:
        """End blending where the map is; all later poses have this covariance (6, 6) too."""
        self.covariance = covariance
        self._goal = None

    def move_map(
        self, pose_in_odom: np.ndarray, pose_in_map: np.ndarray, covariance: np.ndarray
    ) -> None:
        """Move the map for good, so that a pose in the map keeps its pose in ``odom``.

        Args:
            pose_in_odom: (4, 4) the pose in ``odom``.
            pose_in_map: (4, 4) the same pose in the map.
            covariance: (6, 6) of ``pose_in_odom``, which all later poses have too.
        """
        self.odom_from_map = pose_in_odom @ inverse_transform(pose_in_map)
        self.keep_map(covariance)

    def blend_from(self, pose_in_odom: np.ndarray, pose_in_map: np.ndarray) -> None:
        """Move the map as ``move_map`` does, and begin to blend it back."""
        if self._goal is None:
            self._goal = self.odom_from_map
        self.odom_from_map = pose_in_odom @ inverse_transform(pose_in_map)

    def blend(self, pose: np.ndarray, twist: np.ndarray, seconds: float, depth: float) -> None:
        """Blend the map back by one frame's share.

        Args:
            pose: (4, 4) in the map, about which the map is rotated.
            twist: (6,) the camera's last velocity.
            seconds: since the frame before.
            depth: median depth of the scene.
        """
        if self._goal is None:
            return
        rest = _between(self.odom_from_map @ pose, self._goal @ pose)
        distance, angle = (float(np.linalg.norm(part)) for part in (rest[:3], rest[3:]))
        least_speed, least_rate = TUNING.min_blending_speed
        farthest = max(float(np.linalg.norm(twist[:3])), least_speed * depth) * seconds
        widest = max(float(np.linalg.norm(twist[3:])), least_rate) * seconds
        ratio = min(1.0, farthest / max(distance, 1e-12), widest / max(angle, 1e-12))
        if ratio == 1.0:
            self.odom_from_map, self._goal = self._goal, None
            return
        current = self.odom_from_map @ pose
        rotation = Rotation.from_rotvec(ratio * rest[3:]).as_matrix() @ current[:3, :3]
        moved = transform(rotation, current[:3, 3] + ratio * rest[:3])
        self.odom_from_map = moved @ inverse_transform(pose)


def _between(pose: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(6,) step from one pose to another: translation, and rotation as a left perturbation."""
    rotation = rotation_vector(other[:3, :3] @ pose[:3, :3].T)
    return np.concatenate([other[:3, 3] - pose[:3, 3], rotation])
