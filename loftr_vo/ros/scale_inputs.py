# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the node listens to besides the picture: depth, the right camera, odometry, an IMU."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu

from loftr_vo.config import NodeSettings, Settings
from loftr_vo.files.text import quoted
from loftr_vo.imaging.approximate_time import StampMatcher
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.camera_info import is_rectified
from loftr_vo.imaging.frame import BasePose, Frame, RightPicture
from loftr_vo.imaging.image_messages import ImageError, PictureReader, depth_image
from loftr_vo.imaging.stereo_extrinsics import pair_from_infos
from loftr_vo.ros.base_pose import base_pose
from loftr_vo.ros.graph import look_for_publishers
from loftr_vo.ros.health import Feed, Health
from loftr_vo.ros.imu_input import ImuInput
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.messages import nanoseconds
from loftr_vo.ros.subscribing import Subscriptions

# Seconds that a picture waits for what belongs to it, while that keeps coming.
_PATIENCE = 0.15
# Messages kept to find partners among, where old pictures are not waited for.
_KEPT = 30
# Poses of another odometry that wait for a picture; the oldest give way.
_KEPT_POSES = 5000
# Messages of an IMU that wait to be received: a second at 1 kHz.
_IMU_DEPTH = 1000
_COMPRESSED_DEPTH = 'depth/compressedDepth'
# The two cameras of a pair are triggered together.
_STEREO_SHARE = 0.25


class ScaleInputs:
    """The subscriptions for ``scale.source``, and for ``recovery.policy`` odometry.

    Messages come on the executor's thread; ``accompany`` is called on the worker's.

    Args:
        node: to subscribe with.
        node_settings: quality of service, transport and frames are the node's.
        settings: what is needed, and how far stamps may be apart.
        health: where arrivals and errors are noted.
        log: for odometry of another frame.
        imu: takes the measurements of an IMU, where one is needed.
    """

    def __init__(
        self,
        node: LifecycleNode,
        node_settings: NodeSettings,
        settings: Settings,
        health: Health,
        log: LimitedLog,
        imu: ImuInput | None = None,
    ) -> None:
        self._imu = imu
        self._node = node
        self._node_settings = node_settings
        self._health = health
        self._log = log
        self._subscriptions = Subscriptions(node, node_settings)
        self._infos: dict[str, Any] = {}
        self._info_callbacks = {
            'right/camera_info': self._on_right_info,
            'camera_info': self._on_left_info,
        }
        self._wheels: deque[BasePose] = deque(maxlen=_KEPT_POSES)
        self._reader = PictureReader()
        self._child_frame = ''
        self._source = settings.scale.source
        tolerance = round(settings.scale.tolerance * 1e9)
        if settings.scale.source == 'stereo':
            tolerance = round(tolerance * _STEREO_SHARE)
        every = node_settings.queue_policy == 'all'
        self._pictures: StampMatcher[Any] = StampMatcher(
            tolerance, node_settings.queue_size if every else _KEPT
        )
        self._additions: dict[str, Callable[[Frame], Frame]] = {}
        self._feeds: dict[str, Feed] = {}
        self._picture_feed = Feed()  # of depth or of the right camera
        health.scale_feeds, health.scale_error = {}, ''
        try:
            for source in settings.companions:
                self._subscribe_for(source)
        except Exception:  # a quality of service that does not exist, say
            self.close()
            raise

    def accompany(self, frame: Frame) -> Frame:
        """Return the frame with what came for it; waits a moment for what belongs to it."""
        # A copy, since another thread may add one meanwhile.
        for add in list(self._additions.values()):
            frame = add(frame)
        return frame

    def add_odometry(self) -> bool:
        """Subscribe to another odometry; return False where that was done before."""
        if 'odometry' in self._additions:
            return False
        self._subscribe_for('odometry')
        return True

    def close(self) -> None:
        """Unsubscribe."""
        self._pictures.close()
        self._subscriptions.close()
        if self._imu is not None:
            self._imu.close()
        self._health.scale_feeds, self._health.scale_error = {}, ''

    def look_for_publishers(self) -> None:
        """Note who publishes the topics on which nothing comes, and what others offer."""
        self._subscriptions.follow_publishers()
        now = time.monotonic()
        for feed in list(self._feeds.values()):
            if feed.rate.silence(now) > 1.0:
                look_for_publishers(self._node, feed)
        for name, callback in self._info_callbacks.items():
            if (info := self._feeds.get(name)) is not None:
                self._subscriptions.add_latched(CameraInfo, info, callback)

    def _subscribe_for(self, source: str) -> None:
        if source == 'depth':
            compressed = self._node_settings.depth_transport == 'compressedDepth'
            kind = CompressedImage if compressed else Image
            topic = _COMPRESSED_DEPTH if compressed else 'depth'
            self._picture_feed = self._subscribe(kind, topic, self._on_picture)
            self._additions[source] = self._with_depth
        elif source == 'stereo':
            compressed = self._node_settings.image_transport == 'compressed'
            kind = CompressedImage if compressed else Image
            topic = 'right/image/compressed' if compressed else 'right/image'
            self._rectified = is_rectified(self._node.resolve_topic_name('right/image'))
            self._picture_feed = self._subscribe(kind, topic, self._on_picture)
            self._subscribe(CameraInfo, 'right/camera_info', self._on_right_info)
            self._subscribe(CameraInfo, 'camera_info', self._on_left_info)
            self._additions[source] = self._with_right
        elif source == 'odometry':
            self._subscribe(Odometry, 'scale_odom', self._on_odometry)
            self._additions[source] = self._with_wheels
        elif source == 'imu' and self._imu is not None:
            self._imu.feed = self._subscribe(Imu, 'imu', self._imu.receive, _IMU_DEPTH)
            self._additions[source] = self._imu.accompany

    def _subscribe(
        self, kind: type, name: str, callback: Callable[[Any], None], depth: int = 0
    ) -> Feed:
        package = kind.__module__.partition('.')[0]
        topic = self._node.resolve_topic_name(name)
        feed = Feed(topic, kind=f'{package}/msg/{kind.__name__}')
        if self._source == 'none' or (name == 'scale_odom' and self._source != 'odometry'):
            feed.purpose, feed.without = 'recovery.policy odometry', ''
        if name == 'imu':
            feed.without = ': the camera goes on alone'
        self._feeds[name] = feed
        self._health.scale_feeds = self._feeds.copy()
        self._subscriptions.add(kind, feed, callback, depth)
        return feed

    def _on_picture(self, message: Any) -> None:
        self._pictures.put(nanoseconds(message.header.stamp), message)

    def _partner(self, frame: Frame, feed: Feed, what: str) -> Any | None:
        """Return the message that belongs to a frame."""
        silence = feed.rate.silence(time.monotonic())
        message = self._pictures.take(frame.stamp, _PATIENCE if silence < 1.0 else 0.0)
        self._health.scale_error = ''
        if message is None and self._pictures.apart is not None:
            apart = self._pictures.apart * 1e-6
            self._health.scale_error = (
                f'the nearest {what} is {apart:.1f} ms from its picture: not in step'
            )
        return message

    def _with_depth(self, frame: Frame) -> Frame:
        message = self._partner(frame, self._picture_feed, 'depth image')
        if message is None:
            return frame
        try:
            depth, lag = depth_image(message), nanoseconds(message.header.stamp) - frame.stamp
            return dataclasses.replace(frame, depth=depth, depth_lag=lag)
        except ImageError as error:
            self._health.scale_error = str(error)
            return frame

    def _with_right(self, frame: Frame) -> Frame:
        message = self._partner(frame, self._picture_feed, 'right picture')
        if message is None:
            return frame
        try:
            camera, motion = self._pair()
            image = self._reader.read(message, camera)
            camera.check_size(image.shape)
        except (ImageError, CalibrationError) as error:
            self._health.scale_error = f'right camera: {error}'
            return frame
        return dataclasses.replace(frame, right=RightPicture(image, camera, motion))

    def _pair(self) -> tuple[Camera, np.ndarray]:
        """The right camera, and how it lies to the left one.

        Raises:
            CalibrationError: a calibration has not come, or has no baseline.
        """
        if len(self._infos) < 2:
            raise CalibrationError('waits for the calibrations of both cameras')
        return pair_from_infos(self._infos['left'], self._infos['right'], self._rectified)

    def _on_right_info(self, message: CameraInfo) -> None:
        self._infos = {**self._infos, 'right': message}

    def _on_left_info(self, message: CameraInfo) -> None:
        self._infos = {**self._infos, 'left': message}

    def _on_odometry(self, message: Odometry) -> None:
        pose = base_pose(message)
        if pose is None:
            self._health.implausible.add('pose on scale_odom')
            self._health.scale_error = 'the last pose on scale_odom is none'
            return
        self._health.scale_error = ''
        self._tell_frame(message.child_frame_id)
        self._wheels.append(pose)

    def _tell_frame(self, child: str) -> None:
        base = self._node_settings.base_frame
        if base and child not in ('', base, self._child_frame):
            self._log.warning(
                'scale_odom',
                f'scale_odom is of {quoted(child)} and not of base_frame, {base!r}: in turns the '
                'two go different ways',
            )
        self._child_frame = child

    def _with_wheels(self, frame: Frame) -> Frame:
        arrived = []
        while self._wheels:
            arrived.append(self._wheels.popleft())
        return dataclasses.replace(frame, wheels=tuple(arrived))
