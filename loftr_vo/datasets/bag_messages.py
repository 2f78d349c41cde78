# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages for a bag, made with rosbags; needs no ROS."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation

from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.geometry.trajectory import format_seconds
from loftr_vo.imaging.camera import Camera

CAMERA_FRAME = 'camera_optical_frame'


class BagMessages:
    """Makes messages from arrays.

    Attributes:
        store: rosbags' types of messages.
    """

    def __init__(self) -> None:
        self.store = get_typestore(Stores.ROS2_JAZZY)

    def message(self, kind: str, **fields: Any) -> Any:
        """Return a message of a type from its fields."""
        return self.store.types[kind](**fields)

    def header(self, stamp: int, frame: str) -> Any:
        """Return a header from nanoseconds and the name of a frame.

        Raises:
            DatasetError: the time does not fit into a message.
        """
        seconds, rest = divmod(stamp, 10**9)
        if not 0 <= seconds < 2**31:
            raise DatasetError(
                f'the time {format_seconds(stamp)} s does not fit into a ROS message, whose '
                'seconds have 31 bits'
            )
        time = self.message('builtin_interfaces/msg/Time', sec=seconds, nanosec=rest)
        return self.message('std_msgs/msg/Header', stamp=time, frame_id=frame)

    def vector(self, pose: np.ndarray, kind: str = 'geometry_msgs/msg/Vector3') -> Any:
        """Return the translation of a (4, 4) pose."""
        x, y, z = pose[:3, 3].tolist()
        return self.message(kind, x=x, y=y, z=z)

    def quaternion(self, pose: np.ndarray) -> Any:
        """Return the rotation of a (4, 4) pose."""
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        return self.message('geometry_msgs/msg/Quaternion', x=x, y=y, z=z, w=w)

    def pose(self, pose: np.ndarray) -> Any:
        """Return a pose from a (4, 4) matrix."""
        return self.message(
            'geometry_msgs/msg/Pose',
            position=self.vector(pose, 'geometry_msgs/msg/Point'),
            orientation=self.quaternion(pose),
        )

    def image(self, image: np.ndarray, stamp: int, encoding: str) -> Any:
        """Return a picture (H, W) with its pixels as they are."""
        height, width = image.shape
        return self.message(
            'sensor_msgs/msg/Image',
            header=self.header(stamp, CAMERA_FRAME),
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=width * image.itemsize,
            data=np.ascontiguousarray(image).view(np.uint8).ravel(),
        )

    def compressed(
        self, image: np.ndarray, stamp: int, suffix: str, parameters: list[int], name: str
    ) -> Any:
        """Return a picture (H, W) uint8 as a file; ``name`` is its format in the message."""
        done, data = cv2.imencode(suffix, image, parameters)
        assert done  # a grey picture of 8 bits always encodes
        return self.message(
            'sensor_msgs/msg/CompressedImage',
            header=self.header(stamp, CAMERA_FRAME),
            format=f'mono8; {name} compressed mono8',
            data=data.ravel(),
        )

    def camera_info(
        self, camera: Camera, stamp: int, turn: np.ndarray, baseline: float = 0.0
    ) -> Any:
        """Return a calibration; ``turn`` and ``baseline`` are those of a camera of a pair."""
        shift = np.array([-camera.matrix[0, 0] * baseline, 0.0, 0.0])
        return self.message(
            'sensor_msgs/msg/CameraInfo',
            header=self.header(stamp, CAMERA_FRAME),
            height=camera.height,
            width=camera.width,
            distortion_model=camera.distortion_model,
            d=camera.distortion,
            k=camera.matrix.ravel(),
            r=turn.ravel(),
            p=np.column_stack([camera.matrix, shift]).ravel(),
            binning_x=0,
            binning_y=0,
            roi=self.message(
                'sensor_msgs/msg/RegionOfInterest',
                x_offset=0,
                y_offset=0,
                height=0,
                width=0,
                do_rectify=False,
            ),
        )

    def imu(self, header: Any, turn: np.ndarray, force: np.ndarray) -> Any:
        """Return an IMU's measurement, (3,) rad/s and (3,) m/s^2, without an orientation."""
        unknown = np.zeros(9)
        absent = np.array([-1.0, *[0.0] * 8])  # as the message's definition says
        vectors = [
            self.message('geometry_msgs/msg/Vector3', x=x, y=y, z=z)
            for x, y, z in (turn.tolist(), force.tolist())
        ]
        return self.message(
            'sensor_msgs/msg/Imu',
            header=header,
            orientation=self.quaternion(np.eye(4)),
            orientation_covariance=absent,
            angular_velocity=vectors[0],
            angular_velocity_covariance=unknown,
            linear_acceleration=vectors[1],
            linear_acceleration_covariance=unknown,
        )

    def odometry(self, header: Any, pose: Any, child: str) -> Any:
        """Return odometry of an unknown velocity and covariance."""
        unknown = np.zeros(36)
        zero = self.message('geometry_msgs/msg/Vector3', x=0.0, y=0.0, z=0.0)
        twist = self.message('geometry_msgs/msg/Twist', linear=zero, angular=zero)
        return self.message(
            'nav_msgs/msg/Odometry',
            header=header,
            child_frame_id=child,
            pose=self.message(
                'geometry_msgs/msg/PoseWithCovariance', pose=pose, covariance=unknown
            ),
            twist=self.message(
                'geometry_msgs/msg/TwistWithCovariance', twist=twist, covariance=unknown
            ),
        )
