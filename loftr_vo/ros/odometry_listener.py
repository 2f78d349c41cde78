# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Someone who uses the node's output: keeps every odometry, its state and its picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image

from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.ros.messages import nanoseconds

_DEPTH = 100


@dataclass(frozen=True, eq=False)
class ReceivedOdometry:
    """An odometry message of one frame.

    Attributes:
        stamp: nanoseconds, the frame's.
        arrival: nanoseconds of the listener's clock, when it came in.
        pose: (4, 4) world from camera, optical axes.
    """

    stamp: int
    arrival: int
    pose: np.ndarray


class OdometryListener:
    """Subscribes to ``odom``, ``~/status`` and ``~/match_image`` of a node.

    Args:
        node: to subscribe with.
        publisher: name of the node that is listened to.
        clock: nanoseconds of the clock that frames are stamped with.
        pictures: whether to listen to ``~/match_image``, which costs the node time.

    Attributes:
        odometry: in the order in which it came.
        statuses: the values of ``~/status`` by name, by the stamp of the frame they are about.
        pictures: (H, W, 3) uint8 BGR, of the matches, by the frame's stamp.
        last_message: of ``~/status``; empty before the first.
        fault: the same while its level is ERROR, else empty.
    """

    def __init__(
        self,
        node: Node,
        publisher: str = 'loftr_vo',
        clock: Callable[[], int] = time.time_ns,
        pictures: bool = True,
    ) -> None:
        self._clock = clock
        self.odometry: list[ReceivedOdometry] = []
        self.statuses: dict[int, dict[str, str]] = {}
        self.pictures: dict[int, np.ndarray] = {}
        self.last_message = ''
        self.fault = ''
        topics = [
            (Odometry, 'odom', self._on_odometry),
            (DiagnosticStatus, f'{publisher}/status', self._on_status),
        ]
        if pictures:
            topics.append((Image, f'{publisher}/match_image', self._on_picture))
        for kind, topic, callback in topics:
            node.create_subscription(kind, topic, callback, _DEPTH)

    def _on_odometry(self, message: Odometry) -> None:
        body = np.eye(4)
        position, turn = message.pose.pose.position, message.pose.pose.orientation
        body[:3, 3] = position.x, position.y, position.z
        body[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
        # The node's camera looks along the body's x axis and sits at its origin.
        pose = np.linalg.inv(BODY_FROM_OPTICAL) @ body @ BODY_FROM_OPTICAL
        self.odometry.append(
            ReceivedOdometry(nanoseconds(message.header.stamp), self._clock(), pose)
        )

    def _on_status(self, message: DiagnosticStatus) -> None:
        self.last_message = message.message
        self.fault = message.message if message.level == DiagnosticStatus.ERROR else ''
        values = {pair.key: pair.value for pair in message.values}
        if 'stamp' in values:
            self.statuses[int(values['stamp'])] = values

    def _on_picture(self, message: Image) -> None:
        pixels = np.frombuffer(message.data, np.uint8)
        picture = pixels.reshape(message.height, message.width, 3)
        self.pictures[nanoseconds(message.header.stamp)] = picture
