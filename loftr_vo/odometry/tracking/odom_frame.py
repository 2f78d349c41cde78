# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose in ``odom`` goes on without a jump where the pose in the map has one (REP 105)."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rigid_motion import inverse_transform, transform
from loftr_vo.geometry.rotation import rotate_covariance, rotation_vector
from loftr_vo.odometry.tracking.tuning import TUNING


class OdomFrame:
    """Places the map in ``odom``, and moves the map where the pose would jump.

    Poses are (4, 4), world from camera. What the camera did unseen and is found out afterwards is
    motion all the same: the pose glides there, at no more than the last speed on top of what the
    camera does. What no motion explains is never made up for: the map is moved for good.

    Attributes:
        odom_from_map: (4, 4).
        covariance: (6, 6) of ``odom_from_map``, a pose's, see ``Estimate``.
    """

    def __init__(self) -> None:
        self.odom_from_map = np.eye(4)
        self.covariance = np.zeros((6, 6))
        self._goal: np.ndarray | None = None

    def to_odom(self, pose: np.ndarray) -> np.ndarray:
        """Return where a pose in the map is in ``odom``."""
        return self.odom_from_map @ pose

    def covariance_of(self, pose: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Return a covariance (6, 6) in the map as it is in ``odom``; see ``Estimate``.

        What is left of a glide is an error that is known, and counts as one.
        """
        total = rotate_covariance(covariance, self.odom_from_map[:3, :3]) + self.covariance
        total = (total + total.T) / 2
        if self._goal is not None:
            left = _between(self.odom_from_map @ pose, self._goal @ pose)
            total = total + np.outer(left, left)
        return total

    def settle(self, covariance: np.ndarray) -> None:
        """Leave the map where it is; a covariance (6, 6) stays in all poses from here on."""
        self.covariance = covariance
        self._goal = None

    def stay(self, shown: np.ndarray, found: np.ndarray, covariance: np.ndarray) -> None:
        """Move the map so that the pose ``found`` in it is where ``shown`` is in ``odom``.

        Args:
            shown: (4, 4) the pose in ``odom``.
            found: (4, 4) the pose in the map.
            covariance: (6, 6) of ``shown``, which stays in all poses from here on.
        """
        self.odom_from_map = shown @ inverse_transform(found)
        self.settle(covariance)

    def glide_from(self, shown: np.ndarray, found: np.ndarray) -> None:
        """Do as ``stay`` does, and go back to where the map was by and by."""
        if self._goal is None:
            self._goal = self.odom_from_map
        self.odom_from_map = shown @ inverse_transform(found)

    def glide(self, pose: np.ndarray, twist: np.ndarray, seconds: float, depth: float) -> None:
        """Take one frame's share of what is left of a glide.

        Args:
            pose: (4, 4) in the map, about which the map is turned.
            twist: (6,) the camera's last velocity.
            seconds: since the frame before.
            depth: the usual one.
        """
        if self._goal is None:
            return
        left = _between(self.odom_from_map @ pose, self._goal @ pose)
        distance, angle = (float(np.linalg.norm(part)) for part in (left[:3], left[3:]))
        farthest = (
            max(float(np.linalg.norm(twist[:3])), TUNING.min_blending_speed[0] * depth) * seconds
        )
        widest = max(float(np.linalg.norm(twist[3:])), TUNING.min_blending_speed[1]) * seconds
        share = min(1.0, farthest / max(distance, 1e-12), widest / max(angle, 1e-12))
        if share == 1.0:
            self.odom_from_map, self._goal = self._goal, None
            return
        here = self.odom_from_map @ pose
        turn = Rotation.from_rotvec(share * left[3:]).as_matrix() @ here[:3, :3]
        moved = transform(turn, here[:3, 3] + share * left[:3])
        self.odom_from_map = moved @ inverse_transform(pose)


def _between(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(6,) the way from one pose to another: translation, and rotation on the left."""
    turn = rotation_vector(there[:3, :3] @ here[:3, :3].T)
    return np.concatenate([there[:3, 3] - here[:3, 3], turn])
