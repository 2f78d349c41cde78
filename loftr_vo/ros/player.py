# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Plays a bag as live topics, with the clock: for where there is no ``ros2 bag play``."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection, ConnectionExtRosbag2, QosDurability
from rosgraph_msgs.msg import Clock

from loftr_vo.datasets.bag_file import raw_messages
from loftr_vo.ros.messages import header

_PICTURES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
_DEPTH = 1000
_LAST_ACKNOWLEDGEMENT = 10.0  # seconds
_SETTLING = 2.0  # seconds
_LINGERING = 1.0  # seconds


@dataclass(frozen=True)
class PlayOptions:
    """How a bag is played.

    Attributes:
        rate: how many times as fast as it was recorded.
        start_offset: seconds at the beginning that are left out.
        clock: how often a second ``/clock`` is published besides at every message; 0 for none.
        topics: those that are played; None for all.
    """

    rate: float = 1.0
    start_offset: float = 0.0
    clock: float = 40.0
    topics: Collection[str] | None = None


class BagPlayer:
    """Publishes the messages of a bag as they are, each when it is due.

    All publishers are reliable, which best-effort subscribers accept too, whatever the recorded
    ones were. Topics whose recorded publishers latched (transient local) do so here.

    Args:
        node: to publish with.
        reader: of the bag, open.
        path: the bag's.
        options: how to play.

    Attributes:
        unknown: topics that are left out, with their types, which are not installed.
    """

    def __init__(self, node: Node, reader: AnyReader, path: Path, options: PlayOptions) -> None:
        self._reader = reader
        self._path = path
        self._options = options
        self._publishers: dict[int, Any] = {}
        self._latched: list[Connection] = []
        self._played: list[Connection] = []
        self._types: dict[int, str] = {}
        self.unknown: dict[str, str] = {}
        for connection in reader.connections:
            if options.topics is None or connection.topic in options.topics:
                self._advertise(node, connection)
        self._clock = node.create_publisher(Clock, '/clock', 10) if options.clock > 0.0 else None
        self._told: int | None = None

    @property
    def topics(self) -> list[str]:
        """The topics that are played."""
        return sorted({connection.topic for connection in self._played})

    @property
    def has_subscribers(self) -> bool:
        """Whether pictures and a calibration, where there are any, have a subscriber."""
        return self._has_subscriber(_PICTURES) and self._has_subscriber((_CAMERA_INFO,))

    def wait_for_subscribers(self, timeout: float) -> None:
        """Wait until ``has_subscribers``.

        Raises:
            TimeoutError: that took longer than ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self.has_subscribers:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f'nobody has subscribed to pictures and calibration within {timeout:g} s; the '
                    f'topics are: {", ".join(self.topics)}'
                )
            time.sleep(0.05)
        # Each side learns of the other's topics by itself, and neither when the other has.
        time.sleep(_SETTLING)

    def play(self, progress: Callable[[float], None] = lambda _: None) -> int:
        """Publish everything once; return the number of messages.

        Args:
            progress: called with the seconds of the bag that are over.
        """
        beginning = self._reader.start_time
        first = beginning + round(self._options.start_offset * 1e9)
        count = self._publish_latched(first)
        pace = _Pace(first, self._options.rate)
        for connection, due, data in raw_messages(
            self._reader, self._path, self._played, start=first
        ):
            self._wait_until(due, pace)
            self._publishers[connection.id].publish(bytes(data))
            count += 1
            progress((due - beginning) / 1e9)
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=_LAST_ACKNOWLEDGEMENT))
        return count

    def linger(self) -> None:
        """Give the last messages time to arrive; to be called before the node ends.

        Best-effort subscribers acknowledge nothing, and lose what they have not taken yet when
        the publisher goes.
        """
        time.sleep(_LINGERING)

    def _advertise(self, node: Node, connection: Connection) -> None:
        package, _, name = connection.msgtype.split('/')
        try:
            kind = getattr(importlib.import_module(f'{package}.msg'), name)
        except (ImportError, AttributeError):
            self.unknown[connection.topic] = connection.msgtype
            return
        latched = _is_latched(connection)
        quality = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        self._publishers[connection.id] = node.create_publisher(kind, connection.topic, quality)
        self._types[connection.id] = connection.msgtype
        self._played.append(connection)
        if latched:
            self._latched.append(connection)

    def _has_subscriber(self, kinds: Collection[str]) -> bool:
        publishers = [self._publishers[id_] for id_, kind in self._types.items() if kind in kinds]
        return not publishers or any(each.get_subscription_count() for each in publishers)

    def _publish_latched(self, before: int) -> int:
        """Publish what was latched in the time that is left out: it still holds after it."""
        count = 0
        for connection, _, data in raw_messages(
            self._reader, self._path, self._latched, stop=before
        ):
            self._publishers[connection.id].publish(bytes(data))
            count += 1
        return count

    def _wait_until(self, due: int, pace: _Pace) -> None:
        """Sleep until a message is due, with the clock going on meanwhile."""
        period = 1.0 / self._options.clock if self._clock else float('inf')
        while (wait := pace.seconds_until(due)) > 0.0:
            time.sleep(min(wait, period))
            self._tell_time(min(pace.now(), due))
        self._tell_time(due)

    def _tell_time(self, now: int) -> None:
        if self._clock is not None and now != self._told:
            self._told = now
            self._clock.publish(Clock(clock=header(now, '').stamp))


class _Pace:
    """Goes from the bag's time to this machine's."""

    def __init__(self, first: int, rate: float) -> None:
        self._first = first
        self._rate = rate
        self._start = time.monotonic()

    def now(self) -> int:
        """Return the bag's time now, in nanoseconds."""
        return self._first + round((time.monotonic() - self._start) * self._rate * 1e9)

    def seconds_until(self, due: int) -> float:
        """Return the seconds of this machine until a time of the bag; negative if that is over."""
        return (due - self._first) / (self._rate * 1e9) - (time.monotonic() - self._start)


def _is_latched(connection: Connection) -> bool:
    assert isinstance(connection.ext, ConnectionExtRosbag2)
    profiles = connection.ext.offered_qos_profiles
    recorded = any(each.durability is QosDurability.TRANSIENT_LOCAL for each in profiles)
    return recorded or connection.topic.endswith('/tf_static')
