# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The executable ``vo_rerun``: what the node publishes, live in the viewer Rerun or in a file."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from loftr_vo.config import NodeSettings
from loftr_vo.drawing.rerun_log import RerunError, RerunLog
from loftr_vo.files.output_files import OutputError
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.camera_info import camera_from_info, is_rectified
from loftr_vo.imaging.image_messages import ImageError, PictureReader
from loftr_vo.ros.graph import look_for_publishers
from loftr_vo.ros.health import Feed
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.markers import pose_of_frustum
from loftr_vo.ros.messages import nanoseconds, pixels, point_values
from loftr_vo.ros.signals import end_while_starting, ignore_signals, until_a_signal
from loftr_vo.ros.subscribing import Subscriptions

SPAWN = 'spawn'
# The path is logged in pieces, and the last one again and again until it has this many poses: a
# file then grows with the length of the path, and not with its square.
_PATH_PERIOD = 10**9
_PIECE_LENGTH = 100
_FIGURES = {'matches': 'matches', 'inliers': 'inliers', 'latency': 'latency_ms'}
_NUMBER = re.compile(r'\d+(\.\d+)?')


class RerunBridge:
    """Subscribes to what the node publishes and to its pictures, and logs them.

    All is in the frame of ``odom``, and has the stamps of the pictures.

    Args:
        node: to subscribe with.
        log: that is open.
        transport: of the pictures, ``raw`` or ``compressed``.
    """

    def __init__(self, node: Node, log: RerunLog, transport: str = 'raw') -> None:
        self._node = node
        self._log = log
        self._own_log = LimitedLog(node.get_logger())
        self._reader = PictureReader()
        self._camera: Camera | None = None
        self._piece: list[tuple[int, np.ndarray]] = []
        self._piece_number = 0
        self._path_logged = 0
        self._keyframe: int | None = None
        self._shown: tuple[str, str, str] | None = None
        compressed = transport == 'compressed'
        topic = node.resolve_topic_name('image') + '/compressed' * compressed
        self._rectified = is_rectified(topic)
        self._info = Feed(
            node.resolve_topic_name('camera_info'), kind='sensor_msgs/msg/CameraInfo'
        )
        self._inputs = Subscriptions(node, NodeSettings())
        self._inputs.add(CompressedImage if compressed else Image, Feed(topic), self.on_picture)
        self._inputs.add(CameraInfo, self._info, self.on_camera_info)
        node.create_subscription(Odometry, 'odom', self.on_odometry, 10)
        node.create_subscription(DiagnosticStatus, 'loftr_vo/status', self.on_status, 10)
        node.create_subscription(MarkerArray, 'loftr_vo/matches', self.on_markers, 1)
        node.create_subscription(Image, 'loftr_vo/match_image', self.on_match_image, 1)
        node.create_subscription(PointCloud2, 'loftr_vo/points', self.on_points, 1)

    def on_camera_info(self, message: CameraInfo) -> None:
        """Take over the calibration."""
        try:
            self._camera = camera_from_info(message, self._rectified)
        except CalibrationError as error:
            self._own_log.warning('camera_info', f'camera_info left out: {error}')

    def on_picture(self, message: Any) -> None:
        """Log a picture, ``Image`` or ``CompressedImage``."""
        if self._camera is None:
            look_for_publishers(self._node, self._info)
            self._inputs.add_latched(CameraInfo, self._info, self.on_camera_info)
        try:
            picture = self._reader.read(message, self._camera)
        except (ImageError, CalibrationError) as error:
            self._own_log.warning('picture', f'picture left out: {error}')
            return
        self._log.at(nanoseconds(message.header.stamp))
        self._log.picture(picture, self._camera)

    def on_odometry(self, message: Odometry) -> None:
        """Log the way so far, and the standard deviations of the pose."""
        stamp, position = nanoseconds(message.header.stamp), message.pose.pose.position
        self._log.at(stamp)
        if self._piece and stamp < self._piece[-1][0]:  # the clock was set back
            self._piece.clear()
            self._begin_path(stamp)
        self._piece.append((stamp, np.array([position.x, position.y, position.z])))
        self._log.deviations(np.reshape(message.pose.covariance, (6, 6)))
        if stamp - self._path_logged >= _PATH_PERIOD or len(self._piece) >= _PIECE_LENGTH:
            self._log_path()

    def on_status(self, message: DiagnosticStatus) -> None:
        """Log state and reason where they changed, and the figures of a picture once."""
        values = {pair.key: pair.value for pair in message.values}
        state, reason, stamp = (values.get(key, '') for key in ('state', 'reason', 'stamp'))
        # A number in the reason, such as seconds of silence, changes with every status.
        words = _NUMBER.sub('', reason)
        shown, self._shown = self._shown, (state, words, stamp)
        self._log.at(int(stamp) if stamp else None)
        if shown is None or shown[:2] != (state, words):
            self._log.state(state, reason)
        if values.get('keyframe'):
            self._keyframe = int(values['keyframe'])
        if stamp and (shown is None or shown[2] != stamp):
            self._log.figures(
                {name: float(values[key]) for key, name in _FIGURES.items() if key in values}
            )

    def on_markers(self, message: MarkerArray) -> None:
        """Log the camera, the keyframes and the matches in space."""
        for marker in message.markers:
            stamp = nanoseconds(marker.header.stamp)
            self._log.at(stamp)
            if marker.action == Marker.DELETEALL:
                self._begin_path(stamp)
                continue
            points = np.array([(p.x, p.y, p.z) for p in marker.points]).reshape(-1, 3)
            if marker.ns == 'camera' and len(points):
                self._log.camera(pose_of_frustum(points))
            elif marker.ns == 'keyframes':
                self._log.keyframes(points)
            elif marker.ns == 'inliers':
                self._log.inliers(points.reshape(-1, 2, 3))
            elif marker.ns == 'outliers':
                self._log.outliers(points.reshape(-1, 2, 3))

    def on_match_image(self, message: Image) -> None:
        """Log the picture of the matches."""
        self._log.at(nanoseconds(message.header.stamp))
        self._log.match_image(pixels(message))

    def on_points(self, message: PointCloud2) -> None:
        """Log the triangulated points."""
        values = point_values(message)
        self._log.at(nanoseconds(message.header.stamp))
        self._log.points(values[:, :3], values[:, 3], self._keyframe)

    def close(self) -> None:
        """Log the rest of the path, and close the log."""
        if self._piece:
            self._log_path()
        self._log.close()

    def _begin_path(self, stamp: int) -> None:
        """Forget what was before a reset: the odometry is at another place since."""
        self._log.clear_map()
        self._piece = [each for each in self._piece if each[0] >= stamp]
        self._piece_number = 0
        self._path_logged = 0

    def _log_path(self) -> None:
        self._path_logged = self._piece[-1][0]
        positions = np.array([position for _, position in self._piece])
        self._log.path_piece(self._piece_number, positions)
        if len(self._piece) >= _PIECE_LENGTH:
            self._piece_number += 1
            del self._piece[:-1]


def open_log(log: RerunLog, output: str) -> None:
    """Open a log to what the parameter ``output`` names.

    Raises:
        RerunError: there is no viewer there, or none can be started.
        OutputError: the file cannot be written.
    """
    if output == SPAWN:
        log.spawn()
    elif '://' in output:
        log.connect(output)
    else:
        log.save(Path(output))


def main(args: list[str] | None = None) -> int:
    """Run the bridge until a signal; return the exit code."""
    end_while_starting()
    try:
        # x forward, y left, z up, as REP 103 has it.
        log = RerunLog('FLU')
    except RerunError as error:
        print(f'loftr_vo: error: {error}', file=sys.stderr)
        return 1
    rclpy.init(args=args)
    bridge = None
    try:
        node = rclpy.create_node('vo_rerun')
        output = _declare(
            node, 'output', SPAWN, 'spawn a viewer, rerun+http://HOST:PORT/proxy, or FILE.rrd.'
        )
        transport = _declare(node, 'image_transport', 'raw', 'Of the pictures: raw or compressed.')
        open_log(log, output)
        with until_a_signal():
            bridge = RerunBridge(node, log, transport)
            rclpy.spin(node)
    except (RerunError, OutputError, ParameterException) as error:
        print(f'loftr_vo: error: {error}', file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()
        ignore_signals()
        if bridge is not None:
            bridge.close()
    return 0


def _declare(node: Node, name: str, default: str, text: str) -> str:
    descriptor = ParameterDescriptor(description=text, read_only=True)
    value: str = node.declare_parameter(name, default, descriptor).value
    return value


if __name__ == '__main__':
    sys.exit(main())
