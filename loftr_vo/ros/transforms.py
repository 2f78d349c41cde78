# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""TF, where tf2_ros is installed: the camera's place on the robot, and the broadcaster."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from loftr_vo.ros.body import Body
from loftr_vo.ros.messages import matrix


class TransformError(RuntimeError):
    """TF was asked for and is not there."""


class Extrinsics:
    """Where the camera sits on the robot.

    Args:
        node: to listen with.
        base_frame: the robot's frame.
        lookup: whether to ask TF; else the camera is at the base and looks along its x axis.

    Raises:
        TransformError: TF is to be asked and tf2_ros is not installed.
    """

    def __init__(self, node: Node, base_frame: str, lookup: bool) -> None:
        self._base_frame = base_frame
        self._buffer = _listen(node) if lookup else None
        self.body = None if lookup else Body()
        self.missing = ''

    def find(self, camera_frame: str) -> Body | None:
        """Return what the camera is fixed to; None while TF lacks it, and ``missing`` says so.

        A camera is mounted once: what was found is kept, as ``body``.
        """
        if self.body is None and self._buffer is not None:
            try:
                found = self._buffer.lookup_transform(self._base_frame, camera_frame, Time())
            # tf2 has one exception for each way in which a transform is missing, and no base.
            except Exception as error:
                self.missing = (
                    f'waits for the transform from {self._base_frame} to {camera_frame!r}: {error}'
                )
                return None
            self.body = Body(matrix(found.transform))
            self.missing = ''
        return self.body


def make_broadcaster(node: Node) -> Any | None:
    """Return a ``tf2_ros.TransformBroadcaster``, or None where tf2_ros is not installed."""
    try:
        from tf2_ros import TransformBroadcaster
    except ImportError:
        node.get_logger().warning(
            'tf2_ros is not installed (pip has no wheel of it): no transform is broadcast'
        )
        return None
    return TransformBroadcaster(node)


def _listen(node: Node) -> Any:
    try:
        from tf2_ros import Buffer, TransformListener
    except ImportError as error:
        raise TransformError(
            'lookup_extrinsics needs tf2_ros, which is not installed; install it with your '
            'ROS distribution or set lookup_extrinsics to false'
        ) from error
    buffer = Buffer()
    # The buffer is all that is read; the listener lives as long as the node that it is bound to.
    buffer.listener = TransformListener(buffer, node)
    return buffer
