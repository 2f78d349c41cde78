# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The executable ``vo_recorder``: writes what the node says of a replay, and ends with it."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from loftr_vo.odometry.estimate import State
from loftr_vo.ros.signals import (
    end_while_starting,
    ignore_signals,
    until_a_signal,
)

_DEPTH = 1000
_TICK = 0.2  # seconds
# The longest that a node may work on one picture, on the slowest of machines.
_PATIENCE = 15.0


class RecorderError(RuntimeError):
    """Nothing sensible could be recorded; says why."""


class OdometryRecorder:
    """Writes ``odom`` and ``~/status`` of a node into a rosbag2 as they come.

    Args:
        node: to listen with.
        publisher: name of the node that is listened to.
        path: the bag; a folder that must not exist.

    Attributes:
        answered: stamps of the pictures that odometry came for.
        lost: stamps of the pictures that it was lost in.
        told: the values of the last status.
        metric: whether lengths were metres in any picture.
    """

    def __init__(self, node: Node, publisher: str, path: Path) -> None:
        self.answered: set[int] = set()
        self.lost: set[int] = set()
        self.told: dict[str, str] = {}
        self.metric = False
        self._node = node
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._last = time.monotonic()
        try:
            self._record(Odometry, 'odom', self._on_odometry)
            self._record(DiagnosticStatus, f'{publisher}/status', self._on_status)
        except BaseException:
            self._writer.close()
            raise

    @property
    def silence(self) -> float:
        """Seconds since the last odometry, or since the start."""
        return time.monotonic() - self._last

    def has_all(self, count: int) -> bool:
        """Whether each of so many pictures was answered, dropped or refused."""
        gone = sum(int(self.told.get(key, 0)) for key in ('dropped', 'refused'))
        return len(self.answered | self.lost) + gone >= count

    def close(self) -> None:
        """Finish the bag."""
        self._writer.close()

    def _record(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> None:
        topic = self._node.resolve_topic_name(topic)
        package, name = kind.__module__.split('.')[0], kind.__name__
        connection = self._writer.add_connection(
            topic, f'{package}/msg/{name}', typestore=self._types
        )

        def write(data: bytes) -> None:
            self._writer.write(connection, self._node.get_clock().now().nanoseconds, data)
            callback(deserialize_message(data, kind))

        self._node.create_subscription(kind, topic, write, _DEPTH, raw=True)

    def _on_odometry(self, message: Odometry) -> None:
        stamp = message.header.stamp
        self.answered.add(stamp.sec * 10**9 + stamp.nanosec)
        self._last = time.monotonic()

    def _on_status(self, message: DiagnosticStatus) -> None:
        self.told = {pair.key: pair.value for pair in message.values}
        self.metric = self.metric or self.told.get('scale') == 'metric'
        if self.told.get('state') == State.LOST.value and 'stamp' in self.told:
            self.lost.add(int(self.told['stamp']))


def record(node: Node, recorder: OdometryRecorder, image_topic: str, count: int) -> None:
    """Spin until the pictures have come to an end and the node has answered all of them.

    Raises:
        RecorderError: there is no odometry at all.
    """
    began = False
    while True:
        rclpy.spin_once(node, timeout_sec=_TICK)
        playing = node.count_publishers(image_topic) > 0
        began = began or playing
        if began and not playing and (recorder.has_all(count) or recorder.silence > _PATIENCE):
            break
    if not recorder.answered:
        reason = recorder.told.get('reason', 'it has said nothing')
        raise RecorderError(f'the node has published no odometry; its status: {reason}')


def main(args: list[str] | None = None) -> int:
    """Record a replay; return the exit code."""
    end_while_starting()
    arguments = _parser().parse_args(rclpy.utilities.remove_ros_args(args or sys.argv)[1:])
    rclpy.init(args=args)
    node = rclpy.create_node('recorder')
    recorder = None
    at_end = False
    try:
        # From here on there is a bag to be closed.
        with until_a_signal():
            _make_room(arguments.output)
            recorder = OdometryRecorder(node, arguments.publisher, arguments.output)
            record(node, recorder, node.resolve_topic_name('image'), arguments.frames)
            at_end = True
    except (OSError, RecorderError) as error:
        print(f'loftr_vo: error: {error}', file=sys.stderr)
        return 1
    finally:
        if recorder is not None:
            recorder.close()
        rclpy.try_shutdown()
        ignore_signals()
    return _verdict(recorder, arguments) if recorder is not None and at_end else 0


def _make_room(path: Path) -> None:
    """Remove the bag of an earlier replay, and nothing else."""
    if (path / 'metadata.yaml').is_file():
        shutil.rmtree(path)
    elif path.exists():
        raise OSError(f'{path} is there and is no bag; choose another place')
    path.parent.mkdir(parents=True, exist_ok=True)


def _verdict(recorder: OdometryRecorder, arguments: argparse.Namespace) -> int:
    tracked = len(recorder.answered - recorder.lost)
    share = 100.0 * tracked / max(arguments.frames, 1)
    dropped = recorder.told.get('dropped', '0')
    print(
        f'loftr_vo: {tracked} of {arguments.frames} pictures tracked ({share:.1f} %), '
        f'{dropped} dropped; odometry in {arguments.output}'
    )
    missed = []
    if not share >= arguments.min_tracked:
        missed.append(
            f'{share:.1f} % tracked is less than min_tracked, {arguments.min_tracked:g} %'
        )
    if arguments.scale_source != 'none' and not recorder.metric:
        reason = recorder.told.get('scale_reason') or 'the node gave no reason'
        missed.append(
            f'scale.source is {arguments.scale_source}, but lengths never became metres: {reason}'
        )
    for reason in missed:
        print(f'loftr_vo: {reason}', file=sys.stderr)
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='vo_recorder', description=__doc__)
    parser.add_argument('output', type=Path, metavar='BAG', help='folder to make; is replaced')
    parser.add_argument('--publisher', default='loftr_vo', help='name of the node')
    parser.add_argument('--frames', type=int, required=True, help='pictures there will be')
    parser.add_argument('--min-tracked', type=float, default=0.0, metavar='PERCENT')
    parser.add_argument(
        '--scale-source', default='none', help='fail if lengths never become metres, unless none'
    )
    return parser


if __name__ == '__main__':
    sys.exit(main())
