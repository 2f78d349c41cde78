# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""TF, where tf2_ros is installed: the camera's place on the robot, and the broadcaster."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from loftr_vo.files.text import printable, quoted
from loftr_vo.geometry.plausible import MOUNTING
from loftr_vo.ros.body import ORIGIN, Body, StartPose
from loftr_vo.ros.messages import matrix
from loftr_vo.ros.viewing_direction import in_words, suspicion


class TransformError(RuntimeError):
    """TF was asked for and is not there."""


class TransformMissingError(LookupError):
    """TF does not have a transform, or is not listened to; says which, and why."""


class Extrinsics:
    """Where the camera sits on the robot.

    Args:
        node: to listen with.
        base_frame: the robot's frame; empty where none is given.
        lookup: whether to ask TF where one is given. Else the camera is at the base and looks
            along its x axis.
        others: whether transforms beside the camera's on the base are needed; see ``look_up``.

    Attributes:
        body: what the camera is fixed to; None until it is found.
        camera_frame: the frame that was asked for last; empty before.
        is_measured: whether the camera's place on the base is looked up, not assumed.
        missing: why the camera's place is not found.

    Raises:
        TransformError: TF is to be asked and tf2_ros is not installed.
    """

    def __init__(self, node: Node, base_frame: str, lookup: bool, others: bool = False) -> None:
        self.is_measured = lookup and bool(base_frame)
        self._node = node
        self._base_frame = base_frame
        self._buffer: Any = None
        self._not_heard = 'lookup_extrinsics is off'
        if self.is_measured:
            self._buffer = _listen(node)
        elif lookup and others:
            self._listen_if_installed()
        self._start = ORIGIN
        self.body = None if self.is_measured else Body()
        self.camera_frame = ''
        self.missing = ''

    def _listen_if_installed(self) -> None:
        try:
            self._buffer = _listen(self._node)
        except TransformError:
            self._not_heard = 'tf2_ros is not installed'

    def start_at(self, start: StartPose) -> None:
        """Set where the base is in ``odom`` at the first frame from now on."""
        self._start = start
        if self.body is not None:
            self.body = Body(self.body.base_from_camera, start)

    def find(self, camera_frame: str) -> Body | None:
        """Return what the camera is fixed to; None while TF lacks it, and ``missing`` says so.

        A camera is mounted once: what was found is kept, as ``body``.
        """
        self.camera_frame = camera_frame
        if self.body is None and self._buffer is not None:
            self.missing = self._ask(camera_frame)
        return self.body

    def look_up(self, target: str, source: str) -> np.ndarray:
        """Return the (4, 4) pose of one frame in another, the newest that TF has.

        Raises:
            TransformMissingError: TF does not have it.
        """
        buffer = self._buffer  # another thread may close it meanwhile
        waits = f'waits for the transform from {printable(target, 200)} to {quoted(source)}'
        if buffer is None:
            raise TransformMissingError(f'{waits}: {self._not_heard}')
        try:
            found = buffer.lookup_transform(target, source, Time())
        # tf2 has one exception for each way in which a transform is missing, and no base.
        except Exception as error:
            raise TransformMissingError(f'{waits}: {_clause(error)}') from error
        return matrix(found.transform)

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
        try:
            mounted = self.look_up(self._base_frame, camera_frame)
        except TransformMissingError as error:
            return (
                f'{error}; publish it (robot_state_publisher, static_transform_publisher), or set '
                'lookup_extrinsics to false'
            )
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
