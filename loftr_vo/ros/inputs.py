# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the node listens to: pictures and the calibration that they are taken with."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from loftr_vo.config import NodeSettings
from loftr_vo.files.text import printable, quoted
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.calibration_files import read_calibration
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.camera_info import camera_from_info, is_rectified, same_camera
from loftr_vo.imaging.view_mask import ViewMask
from loftr_vo.ros.graph import look_for_publishers
from loftr_vo.ros.health import MAX_CALIBRATION_CHANGES, Feed, Health
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.mailbox import Mailbox
from loftr_vo.ros.subscribing import Subscriptions
from loftr_vo.ros.transforms import Extrinsics

# Seconds without a picture after which its publishers are looked for.
_PATIENCE = 1.0


@dataclass(frozen=True)
class Arrival:
    """A picture as it came.

    Attributes:
        message: the ``Image`` or ``CompressedImage``.
        camera: as it was calibrated at that time; None if that was not known yet.
        time: of arrival, in seconds of the monotonic clock.
    """

    message: Any
    camera: Camera | None
    time: float


class Inputs:
    """The subscriptions; pictures go into the mailbox, which is held until they can be used.

    Args:
        node: to subscribe with.
        settings: the node's.
        health: where arrivals and errors are noted.
        mailbox: where pictures go.
        extrinsics: must be found before a picture can be used.
        log: where a new calibration is reported.

    Raises:
        CalibrationError: the ``calibration_file`` or the ``mask`` cannot be used.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: NodeSettings,
        health: Health,
        mailbox: Mailbox[Arrival],
        extrinsics: Extrinsics,
        log: LimitedLog,
    ) -> None:
        self._node = node
        self._health = health
        self._mailbox = mailbox
        self._extrinsics = extrinsics
        self._log = log
        self._camera_frame: str | None = None
        self.camera: Camera | None = None
        self._camera_before: Camera | None = None
        health.calibration_returns = 0
        self._mask = ViewMask.read(settings.mask, settings.mask_margin)
        health.calibration_file = health.calibration_error = ''
        if settings.calibration_file:
            self._use_file(settings.calibration_file)
        image_topic = node.resolve_topic_name('image')
        image_type = Image
        if settings.image_transport == 'compressed':
            image_topic = f'{image_topic}/compressed'
            image_type = CompressedImage
        self._rectified = is_rectified(image_topic)
        self._image = Feed(image_topic, kind=f'sensor_msgs/msg/{image_type.__name__}')
        # None where the calibration is from a file.
        self._camera_info: Feed | None = None
        health.image = self._image
        self._subscriptions = Subscriptions(node, settings)
        try:
            self._subscriptions.add(image_type, self._image, self._on_image)
            if self.camera is None:
                self._camera_info = health.camera_info = Feed(
                    node.resolve_topic_name('camera_info'), kind='sensor_msgs/msg/CameraInfo'
                )
                self._subscriptions.add(CameraInfo, self._camera_info, self._on_camera_info)
        except Exception:  # a quality of service that does not exist, say
            self.close()
            raise
        if self._rectified and self.camera is None:
            node.get_logger().info(
                f'{image_topic} is taken as rectified: P of camera_info counts, K and D do not'
            )

    def close(self) -> None:
        """Unsubscribe."""
        self._subscriptions.close()
        self._health.image, self._health.camera_info = Feed(), Feed()

    def look_for_publishers(self) -> None:
        """Note who publishes the topics on which nothing comes, and what others offer.

        Another thread may call ``close`` meanwhile.
        """
        self._subscriptions.follow_publishers()
        now = time.monotonic()
        if self._image.rate.silence(now) >= _PATIENCE:
            look_for_publishers(self._node, self._image)
        feed = self._camera_info
        if feed is None:
            return
        # A calibration may come once and for all; pictures must keep coming.
        if math.isinf(feed.rate.silence(now)) or self._health.calibration_returns:
            look_for_publishers(self._node, feed)
        self._subscriptions.add_latched(CameraInfo, feed, self._on_camera_info)

    def _use_file(self, given: str) -> None:
        """Take the camera from a calibration file."""
        calibration = read_calibration(given)
        self.camera = dataclasses.replace(calibration.camera, mask=self._mask)
        self._health.calibration_file = printable(calibration.source)
        self._note_camera(calibration.camera, f', from {self._health.calibration_file}')

    def _note_camera(self, camera: Camera, source: str = '') -> None:
        self._log.info(
            'camera',
            f'camera: {camera.width}x{camera.height}, {camera.distortion_model}, '
            f'focal length {camera.focal:.1f} px{source}',
        )

    def _on_image(self, message: Any) -> None:
        if self._health.paused or self._health.device_fault:
            return
        self._mailbox.put(Arrival(message, self.camera, time.monotonic()))
        self._health.dropped = self._mailbox.dropped
        self._note_frame(message.header.frame_id)
        self._open_when_ready()

    def _note_frame(self, frame: str) -> None:
        """Warn where the frame_id of pictures changes: the transform of the first one is kept."""
        before = self._camera_frame
        if before is not None and frame != before:
            self._log.warning(
                'frame_id',
                f'the frame_id of the pictures changed from {quoted(before)} to {quoted(frame)}: '
                "the camera's place on the robot stays the one found first; do two cameras "
                'share the topic?',
            )
        self._camera_frame = frame

    def _on_camera_info(self, message: CameraInfo) -> None:
        try:
            camera = dataclasses.replace(
                camera_from_info(message, self._rectified), mask=self._mask
            )
        except CalibrationError as error:
            self.camera = None
            self._health.calibration_error = str(error)
            self._health.implausible.add('camera_info')
            self._mailbox.hold()
            return
        self._health.calibration_error = ''
        if self.camera is not None and same_camera(camera, self.camera):
            return
        self._note_change(camera)
        self._note_camera(camera)
        self.camera = camera
        self._open_when_ready()

    def _note_change(self, camera: Camera) -> None:
        """Count how often the calibration goes back and forth: two cameras share the topic."""
        if self.camera is None:
            return
        before, self._camera_before = self._camera_before, self.camera
        returns = before is not None and same_camera(camera, before)
        health = self._health
        health.calibration_returns = health.calibration_returns + 1 if returns else 0
        changes = (*health.calibration_changes, time.monotonic())
        health.calibration_changes = changes[-MAX_CALIBRATION_CHANGES:]

    def _open_when_ready(self) -> None:
        if self.camera is None or self._camera_frame is None:
            return
        if self._extrinsics.find(self._camera_frame) is not None:
            self._health.waiting_for_transform = ''
            self._mailbox.release()
        else:
            self._health.waiting_for_transform = self._extrinsics.missing
