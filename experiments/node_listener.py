# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A node that subscribes to all that the odometry node publishes, and checks each number."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry, Path
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from experiments.finite import not_finite
from loftr_vo.ros.messages import nanoseconds

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # pip has no wheel of it, and then the node broadcasts nothing
    TFMessage = None

_DEPTH = 1000


class Status(NamedTuple):
    """A ``~/status``, and when it came, in seconds of the monotonic clock."""

    time: float
    level: bytes
    message: str
    values: dict[str, str]

    def says(self, words: str) -> bool:
        """Whether words are in the message, or in a value as ``key=value``; see ``pattern``."""
        texts = (self.message, *(f'{key}={value}' for key, value in self.values.items()))
        return any(re.search(pattern(words), text) for text in texts)


def pattern(words: str) -> str:
    """Return words as a regular expression in which ``...`` stands for anything."""
    return '.*'.join(re.escape(part) for part in words.split('...'))


class NodeListener:
    """Subscribes to all that the node publishes.

    Args:
        node: to subscribe with, in the namespace of the node that is listened to.
        name: of that node.

    Attributes:
        statuses: of ``~/status``, in the order in which they came.
        odometry: stamps of ``odom`` in nanoseconds, likewise.
        heard: how many messages came on each topic.
        violations: each message with a number that is not finite, in words.
    """

    def __init__(self, node: Node, name: str = 'loftr_vo') -> None:
        self.statuses: list[Status] = []
        self.odometry: list[int] = []
        self.heard: Counter[str] = Counter()
        self.violations: list[str] = []
        for kind, topic in (
            (Odometry, 'odom'),
            *([(TFMessage, '/tf')] if TFMessage else []),
            (Path, f'{name}/path'),
            (MarkerArray, f'{name}/matches'),
            (Image, f'{name}/match_image'),
            (PointCloud2, f'{name}/points'),
            (DiagnosticStatus, f'{name}/status'),
            (DiagnosticArray, '/diagnostics'),
        ):
            node.create_subscription(kind, topic, self._listener(topic), _DEPTH)

    def state_at(self, stamp: int) -> str:
        """Return the state that was told of the picture at a stamp; empty if none was."""
        for status in reversed(self.statuses):
            if status.values.get('stamp') == str(stamp):
                return status.values['state']
        return ''

    def first(self, words: str, since: float) -> Status | None:
        """Return the first status since a moment that says something."""
        recent = (status for status in list(self.statuses) if status.time >= since)
        return next((status for status in recent if status.says(words)), None)

    def _listener(self, topic: str) -> Any:
        def hear(message: Any) -> None:
            self.heard[topic] += 1
            if where := not_finite(message):
                self.violations.append(f'{topic}: {where} is not finite')
            if isinstance(message, Odometry):
                self.odometry.append(nanoseconds(message.header.stamp))
            elif isinstance(message, DiagnosticStatus):
                values = {pair.key: pair.value for pair in message.values}
                self.statuses.append(
                    Status(time.monotonic(), message.level, message.message, values)
                )

        return hear
