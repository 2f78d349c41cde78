# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A camera driver without a camera: publishes frames as ``image`` and ``camera_info``."""

from __future__ import annotations

import array

import numpy as np
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from loftr_vo.imaging.camera import Camera
from loftr_vo.ros.messages import header

OPTICAL_FRAME = 'camera_optical_frame'


class CameraSimulator:
    """Publishes pictures of one camera, reliably and in order.

    Args:
        node: to publish with.
        camera: the calibration that goes with every picture.
    """

    def __init__(self, node: Node, camera: Camera) -> None:
        quality = QoSProfile(
            history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE
        )
        self._info = CameraInfo(
            height=camera.height,
            width=camera.width,
            distortion_model=camera.distortion_model,
            d=camera.distortion.tolist(),
            k=camera.matrix.ravel(),
            r=np.eye(3).ravel(),
            p=np.column_stack([camera.matrix, np.zeros(3)]).ravel(),
        )
        self._images = node.create_publisher(Image, 'image', quality)
        self._infos = node.create_publisher(CameraInfo, 'camera_info', quality)

    @property
    def has_subscribers(self) -> bool:
        """Whether both topics have a subscriber."""
        publishers = (self._images, self._infos)
        return all(publisher.get_subscription_count() for publisher in publishers)

    def publish(self, image: np.ndarray, stamp: int) -> None:
        """Publish a (H, W) uint8 picture taken at ``stamp`` nanoseconds."""
        self.send(picture_message(image), stamp)

    def send(self, picture: Image, stamp: int) -> None:
        """Stamp a ``picture_message`` and publish it, then the calibration, as drivers do."""
        picture.header = self._info.header = header(stamp, OPTICAL_FRAME)
        self._images.publish(picture)
        self._infos.publish(self._info)


def picture_message(image: np.ndarray) -> Image:
    """Return a (H, W) uint8 picture as a message that has no stamp yet."""
    height, width = image.shape
    return Image(
        height=height,
        width=width,
        encoding='mono8',
        step=width,
        data=array.array('B', image.tobytes()),
    )
