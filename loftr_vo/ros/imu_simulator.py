# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""An IMU driver without an IMU: publishes measurements as ``imu``, and where they were taken."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu

from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.ros.camera_simulator import OPTICAL_FRAME
from loftr_vo.ros.messages import header, transform_stamped

IMU_FRAME = 'imu_link'
# Of the orientation's covariance: there is no orientation (sensor_msgs/Imu).
_NO_ORIENTATION = -1.0


class ImuSimulator:
    """Publishes the measurements of one IMU, reliably and in order, each once.

    Where tf2_ros is installed, the transform from the IMU to the camera is published too.

    Args:
        node: to publish with.
        imu_from_camera: (4, 4), maps points of the camera to the IMU.
    """

    def __init__(self, node: Node, imu_from_camera: np.ndarray) -> None:
        quality = QoSProfile(
            history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE
        )
        self._publisher = node.create_publisher(Imu, 'imu', quality)
        self._last: int | None = None
        self._broadcaster = _make_static_broadcaster(node)
        if self._broadcaster is not None:
            self._broadcaster.sendTransform(
                transform_stamped(0, IMU_FRAME, OPTICAL_FRAME, imu_from_camera)
            )

    def publish(self, samples: ImuSamples | None, shift: int) -> None:
        """Publish those measurements of a frame that were not with a frame before.

        Args:
            samples: as a frame carries them.
            shift: nanoseconds to add to their stamps.
        """
        if samples is None:
            return
        for index, stamp in enumerate(samples.stamps.tolist()):
            if self._last is None or stamp > self._last:
                self._last = stamp
                self._publisher.publish(
                    imu_message(
                        stamp + shift,
                        samples.angular_velocity[index],
                        samples.specific_force[index],
                    )
                )


def imu_message(
    stamp: int,
    angular_velocity: np.ndarray,
    specific_force: np.ndarray,
    frame: str = IMU_FRAME,
) -> Imu:
    """Return a measurement as a message, without an orientation.

    Args:
        stamp: nanoseconds.
        angular_velocity: (3,) in rad/s.
        specific_force: (3,) in m/s^2.
        frame: of the IMU.
    """
    message = Imu(header=header(stamp, frame))
    message.orientation_covariance[0] = _NO_ORIENTATION
    for vector, values in (
        (message.angular_velocity, angular_velocity),
        (message.linear_acceleration, specific_force),
    ):
        vector.x, vector.y, vector.z = map(float, values)
    return message


def _make_static_broadcaster(node: Node) -> Any | None:
    try:
        from tf2_ros import StaticTransformBroadcaster
    except ImportError:
        node.get_logger().warning(
            'tf2_ros is not installed (pip has no wheel of it): the place of the IMU is not '
            'published; name a file of it to the node, in imu_calibration'
        )
        return None
    return StaticTransformBroadcaster(node)
