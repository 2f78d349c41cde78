# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The topic ``~/set_pose``: a new start of the odometry at a given pose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.qos import QoSProfile
from scipy.spatial.transform import Rotation

from loftr_vo.files.text import quoted
from loftr_vo.geometry.plausible import POSITION
from loftr_vo.ros.body import StartPose
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.managed_node import ManagedNode

# Relative: how far below zero rounding may bring an eigenvalue of a covariance.
_ROUNDING = 1e-6


class PoseError(ValueError):
    """A pose cannot be used; says why."""


class PoseSetting:
    """Subscribes to ``~/set_pose`` while it lives.

    Args:
        node: to subscribe with.
        odom_frame: the frame that poses must be in.
        start_at: starts the odometry anew at a pose; raises ``RuntimeError`` if it cannot.
        log: where each message is noted.
    """

    def __init__(
        self,
        node: ManagedNode,
        odom_frame: str,
        start_at: Callable[[StartPose], None],
        log: LimitedLog,
    ) -> None:
        self._node = node
        self._odom_frame = odom_frame
        self._start_at = start_at
        self._log = log
        self._subscription = node.create_subscription(
            PoseWithCovarianceStamped, '~/set_pose', self._on_pose, QoSProfile(depth=10)
        )

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _on_pose(self, message: Any) -> None:
        try:
            start = start_pose(message, self._odom_frame)
            self._start_at(start)
        except (PoseError, RuntimeError) as error:
            self._log.warning('set_pose refused', f'~/set_pose refused: {error}')
            return
        x, y, z = start.pose[:3, 3]
        self._log.info(
            'set_pose', f'~/set_pose: the odometry starts anew at ({x:.3f}, {y:.3f}, {z:.3f})'
        )


def start_pose(message: Any, odom_frame: str) -> StartPose:
    """Return the pose of a ``PoseWithCovarianceStamped``.

    Args:
        message: the message.
        odom_frame: the frame that it must be in; an empty one is taken for it.

    Raises:
        PoseError: it is in another frame, or its numbers are no pose or no covariance.
    """
    frame = message.header.frame_id
    if frame not in ('', odom_frame):
        raise PoseError(f'the pose is in {quoted(frame)} and not in {quoted(odom_frame)}')
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    pose = np.eye(4)
    pose[:3, 3] = place.x, place.y, place.z
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w])
    if not POSITION.holds(pose[:3, 3]) or not 0.5 < np.linalg.norm(quaternion.clip(-2, 2)) < 2.0:
        raise PoseError('its numbers are no pose')
    pose[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    covariance = np.array(message.pose.covariance).reshape(6, 6)
    if not np.isfinite(covariance).all():
        raise PoseError('its covariance is not finite')
    covariance = (covariance + covariance.T) / 2.0
    values = np.linalg.eigvalsh(covariance)
    if values[0] < -_ROUNDING * max(values[-1], 0.0):
        raise PoseError('its covariance has a negative eigenvalue')
    return StartPose(pose, covariance)
