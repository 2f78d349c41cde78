# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""From the camera's motion in its optical axes to the robot's in the axes of REP 103."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.rigid_motion import skew
from loftr_vo.geometry.rotation import rotate_covariance, rotation_vector


@dataclass(frozen=True, eq=False)
class StartPose:
    """Where the base is in `odom` at the first frame.

    Attributes:
        pose: (4, 4) float64, odom from base.
        covariance: (6, 6) of (x, y, z, rotation about x, y, z) in odom's axes.
    """

    pose: np.ndarray
    covariance: np.ndarray

    def turned(self, motion: np.ndarray) -> StartPose:
        """Return it after a motion (4, 4) of all that is in odom."""
        covariance = rotate_covariance(self.covariance, motion[:3, :3])
        return StartPose(motion @ self.pose, covariance)


# `odom` is where the base is at the first frame.
ORIGIN = StartPose(np.eye(4), np.zeros((6, 6)))


class Body:
    """Something that a camera is fixed to.

    Args:
        base_from_camera: (4, 4) float64, maps points of the optical frame to the base frame.
        start: where the base is at the first frame.
    """

    def __init__(
        self, base_from_camera: np.ndarray = BODY_FROM_OPTICAL, start: StartPose = ORIGIN
    ) -> None:
        self.base_from_camera = base_from_camera
        self._start = start
        self._camera_from_base = np.linalg.inv(base_from_camera)

    @property
    def start(self) -> StartPose:
        """Where the base is at the first frame."""
        return self._start

    @property
    def odom_from_world(self) -> np.ndarray:
        """(4, 4) float64: the world is the first optical frame."""
        return self._start.pose @ self.base_from_camera

    def pose(self, world_from_camera: np.ndarray) -> np.ndarray:
        """Return the (4, 4) pose of the base in odom."""
        return self.odom_from_world @ world_from_camera @ self._camera_from_base

    def covariance(self, world_from_camera: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Return the covariance of the base's pose in odom, to first order.

        Args:
            world_from_camera: (4, 4) the camera's pose.
            covariance: (6, 6) of (x, y, z, rotation about x, y, z) in the world's axes.

        Returns:
            (6, 6) of the same in odom's axes, as ``geometry_msgs/PoseWithCovariance`` has it.
        """
        axes = self.odom_from_world[:3, :3]
        lever = world_from_camera[:3, :3] @ self._camera_from_base[:3, 3]
        jacobian = np.zeros((6, 6))
        jacobian[:3, :3] = jacobian[3:, 3:] = axes
        jacobian[:3, 3:] = -axes @ skew(lever)
        return jacobian @ covariance @ jacobian.T + self._start_covariance(world_from_camera)

    def _start_covariance(self, world_from_camera: np.ndarray) -> np.ndarray:
        """Return the part of the covariance that the start's leaves in the pose."""
        if self._start is ORIGIN:
            return np.zeros((6, 6))
        way = self.pose(world_from_camera)[:3, 3] - self._start.pose[:3, 3]
        jacobian = np.eye(6)
        jacobian[:3, 3:] = -skew(way)
        return jacobian @ self._start.covariance @ jacobian.T


def twist(before: np.ndarray, now: np.ndarray, seconds: float) -> np.ndarray:
    """Return the mean velocity between two poses of a body, in the axes of the later one.

    Args:
        before, now: (4, 4) poses in one frame.
        seconds: the time between them, not zero.

    Returns:
        (6,) linear velocity in units per second, angular velocity in rad/s.
    """
    rotation = now[:3, :3]
    linear = rotation.T @ (now[:3, 3] - before[:3, 3])
    angular = rotation_vector(before[:3, :3].T @ rotation)
    return np.concatenate([linear, angular]) / seconds
