# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""TF, where tf2_ros is installed: the camera's place on the robot, and the broadcaster."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from loftr_vo.files.text import printable, quoted
from loftr_vo.geometry.plausible import MOUNTING
from loftr_vo.ros.body import ORIGIN, Body, StartPose
from loftr_vo.ros.messages import matrix
from loftr_vo.ros.viewing_direction import in_words, suspicion


class TransformError(RuntimeError):
    """TF was asked for and is not there."""


class Extrinsics:
    """Where the camera sits on the robot.

    Args:
        node: to listen with.
        base_frame: the robot's frame; empty where none is given.
        lookup: whether to ask TF where one is given. Else the camera is at the base and looks
            along its x axis.

    Raises:
        TransformError: TF is to be asked and tf2_ros is not installed.
    """

    def __init__(self, node: Node, base_frame: str, lookup: bool) -> None:
        ask = lookup and bool(base_frame)
        self._node = node
        self._base_frame = base_frame
        self._buffer = _listen(node) if ask else None
        self._start = ORIGIN
        self.body = None if ask else Body()
        self.missing = ''

    def start_at(self, start: StartPose) -> None:
        """Set where the base is in ``odom`` at the first frame from now on."""
        self._start = start
        if self.body is not None:
            self.body = Body(self.body.base_from_camera, start)

    def find(self, camera_frame: str) -> Body | None:
        """Return what the camera is fixed to; None while TF lacks it, and ``missing`` says so.

        A camera is mounted once: what was found is kept, as ``body``.
        """
        if self.body is None and self._buffer is not None:
            self.missing = self._ask(camera_frame)
        return self.body

    def close(self) -> None:
        """Stop listening."""
        if self._buffer is not None:
            self._buffer.listener.unregister()
            self._buffer = None

    def _ask(self, camera_frame: str) -> str:
        """Look the camera up; return what is missing."""
        if not camera_frame:
            return (
                'the pictures have no frame_id, so TF cannot be asked where the camera is; set it '
                "in the camera's driver, or lookup_extrinsics to false"
            )
        assert self._buffer is not None
        try:
            found = self._buffer.lookup_transform(self._base_frame, camera_frame, Time())
        # tf2 has one exception for each way in which a transform is missing, and no base.
        except Exception as error:
            return (
                f'waits for the transform from {self._base_frame} to {quoted(camera_frame)}: '
                f'{_clause(error)}; '
                'publish it (robot_state_publisher, static_transform_publisher), or set '
                'lookup_extrinsics to false'
            )
        mounted = matrix(found.transform)
        if not MOUNTING.holds(mounted[:3, 3]):
            return (
                f'by TF {camera_frame!r} is not on the robot: it has {MOUNTING} from '
                f'{self._base_frame}'
            )
        self.body = Body(mounted, self._start)
        x, y, z = self.body.base_from_camera[:3, 3]
        self._node.get_logger().info(
            f'{quoted(camera_frame)} sits at ({x:.3f}, {y:.3f}, {z:.3f}) m in {self._base_frame} '
            f'and looks {in_words(mounted)}'
        )
        if doubt := suspicion(mounted):
            self._node.get_logger().warning(f'{quoted(camera_frame)}: {doubt}')
        return ''


def _clause(error: Exception) -> str:
    """Return an error of tf2 without the full stop that most of them end in, cut if long."""
    return printable(str(error).rstrip(' .'), 200)


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
            'base_frame needs tf2_ros, which is not installed; install it with your ROS '
            'distribution, or set lookup_extrinsics to false'
        ) from error
    buffer = Buffer()
    # The buffer is all that is read; the listener lives as long as the node that it is bound to.
    buffer.listener = TransformListener(buffer, node)
    return buffer
