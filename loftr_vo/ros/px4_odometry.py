# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""From ``nav_msgs/Odometry`` to ``px4_msgs/VehicleOdometry``, which EKF2 takes from outside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.ros.messages import nanoseconds
from loftr_vo.ros.velocity import UNKNOWN

# From x forward, y left, z up to x forward, y right, z down, and back.
_FRD_FROM_FLU = np.diag([1.0, -1.0, -1.0])
# Constants of VehicleOdometry: a frame whose heading is arbitrary, and the body's own axes.
POSE_FRAME_FRD, VELOCITY_FRAME_BODY_FRD = 2, 3
# Metres, radians: between pictures without a known step the pose is the same, or it has jumped.
_JUMP = 1e-3
_COUNTER = 256  # of a uint8


class Px4Odometry:
    """Fills messages for PX4, in order, and counts the jumps of the pose."""

    def __init__(self) -> None:
        self._resets = 0
        self._last: np.ndarray | None = None

    def fill(self, message: Any, odometry: Any, metric: bool) -> Any:
        """Fill a ``VehicleOdometry`` and return it; what is not known is NaN.

        Args:
            message: to be written over.
            odometry: of the node.
            metric: whether lengths are metres; else positions and velocities are left out.
        """
        pose = odometry.pose.pose
        place, turn = pose.position, pose.orientation
        rotation = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
        position = np.array([place.x, place.y, place.z])
        pose_covariance = np.reshape(odometry.pose.covariance, (6, 6))
        twist_covariance = np.reshape(odometry.twist.covariance, (6, 6))
        has_twist = twist_covariance[0, 0] < UNKNOWN
        self._count_jump(np.column_stack([rotation, position]), has_twist)

        message.timestamp = message.timestamp_sample = nanoseconds(odometry.header.stamp) // 1000
        message.pose_frame = POSE_FRAME_FRD
        message.position = _floats(_FRD_FROM_FLU @ position, metric)
        message.position_variance = _floats(pose_covariance.diagonal()[:3], metric)
        x, y, z, w = Rotation.from_matrix(_FRD_FROM_FLU @ rotation @ _FRD_FROM_FLU).as_quat()
        sign = -1.0 if w < 0.0 else 1.0  # a quaternion and its negative are one rotation
        message.q = [float(sign * value) for value in (w, x, y, z)]
        # About the body's axes; that of Odometry is about the axes of its frame.
        turned = rotation.T @ pose_covariance[3:, 3:] @ rotation
        message.orientation_variance = _floats(turned.diagonal(), True)
        linear, angular = odometry.twist.twist.linear, odometry.twist.twist.angular
        message.velocity_frame = VELOCITY_FRAME_BODY_FRD
        velocity = _FRD_FROM_FLU @ (linear.x, linear.y, linear.z)
        message.velocity = _floats(velocity, metric and has_twist)
        variance = twist_covariance.diagonal()[:3]
        message.velocity_variance = _floats(variance, metric and has_twist)
        rates = _FRD_FROM_FLU @ (angular.x, angular.y, angular.z)
        message.angular_velocity = _floats(rates, has_twist)
        message.reset_counter = self._resets
        message.quality = 0
        return message

    def _count_jump(self, pose: np.ndarray, has_twist: bool) -> None:
        """Count a pose that does not follow from the last one: after ``~/reset``, say.

        Where a pose is held there is no twist either, but the pose is the same.
        """
        jumped = self._last is not None and np.abs(pose - self._last).max() > _JUMP
        if jumped and not has_twist:
            self._resets = (self._resets + 1) % _COUNTER
        self._last = pose


def _floats(values: np.ndarray, known: bool) -> list[float]:
    return [float(value) if known else math.nan for value in values]
