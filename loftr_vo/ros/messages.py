# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages from arrays: poses, transforms, odometry, pictures, points."""

from __future__ import annotations

import array
import sys
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, PoseStamped, Transform, TransformStamped
from nav_msgs.msg import Odometry
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header

from loftr_vo.geometry.rotation import quaternion

_BIG_ENDIAN = sys.byteorder == 'big'


def nanoseconds(stamp: Time) -> int:
    """Return a message's stamp in nanoseconds."""
    return stamp.sec * 10**9 + stamp.nanosec


def header(stamp: int, frame: str) -> Header:
    """Return a header from nanoseconds and a frame's name."""
    seconds, rest = divmod(stamp, 10**9)
    return Header(stamp=Time(sec=seconds, nanosec=rest), frame_id=frame)


def pose_message(pose: np.ndarray) -> Pose:
    """Return a (4, 4) pose as a message."""
    message = Pose()
    _set_vector(message.position, pose[:3, 3])
    _set_rotation(message.orientation, pose[:3, :3])
    return message


def pose_stamped(stamp: int, frame: str, pose: np.ndarray) -> PoseStamped:
    """Return a (4, 4) pose in a frame as a message."""
    return PoseStamped(header=header(stamp, frame), pose=pose_message(pose))


def transform_stamped(stamp: int, frame: str, child: str, pose: np.ndarray) -> TransformStamped:
    """Return the (4, 4) pose of ``child`` in ``frame`` as a transform."""
    transform = Transform()
    _set_vector(transform.translation, pose[:3, 3])
    _set_rotation(transform.rotation, pose[:3, :3])
    return TransformStamped(header=header(stamp, frame), child_frame_id=child, transform=transform)


def matrix(transform: Transform) -> np.ndarray:
    """Return a transform message as a (4, 4) matrix."""
    result = np.eye(4)
    rotation, translation = transform.rotation, transform.translation
    result[:3, :3] = Rotation.from_quat(
        [rotation.x, rotation.y, rotation.z, rotation.w]
    ).as_matrix()
    result[:3, 3] = translation.x, translation.y, translation.z
    return result


def odometry(
    stamp: int,
    frame: str,
    child: str,
    pose: np.ndarray,
    pose_covariance: np.ndarray,
    velocity: np.ndarray,
    velocity_covariance: np.ndarray,
    message: Odometry | None = None,
) -> Odometry:
    """Return an odometry message.

    Args:
        stamp: nanoseconds, the picture's.
        frame, child: names of the frames that the pose is from and of.
        pose: (4, 4) the child's pose in ``frame``.
        pose_covariance: (6, 6) in the axes of ``frame``.
        velocity: (6,) linear and angular, in the child's axes.
        velocity_covariance: (6, 6) in the child's axes.
        message: to be written over. Making one takes longer than filling it: eleven messages are
            in it.
    """
    message = Odometry() if message is None else message
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
    message.header.frame_id, message.child_frame_id = frame, child
    _set_vector(message.pose.pose.position, pose[:3, 3])
    _set_rotation(message.pose.pose.orientation, pose[:3, :3])
    message.pose.covariance = pose_covariance.ravel()
    _set_vector(message.twist.twist.linear, velocity[:3])
    _set_vector(message.twist.twist.angular, velocity[3:])
    message.twist.covariance = velocity_covariance.ravel()
    return message


def image_message(stamp: int, frame: str, picture: np.ndarray) -> Image:
    """Return a (H, W, 3) uint8 BGR picture as a message."""
    height, width = picture.shape[:2]
    return Image(
        header=header(stamp, frame),
        height=height,
        width=width,
        encoding='bgr8',
        is_bigendian=_BIG_ENDIAN,
        step=3 * width,
        data=_bytes(picture),
    )


def point_cloud(stamp: int, frame: str, points: np.ndarray, confidence: np.ndarray) -> PointCloud2:
    """Return points with their confidence as a message.

    Args:
        stamp: nanoseconds.
        frame: name of the frame that the points are in.
        points: (P, 3).
        confidence: (P,) in [0, 1].
    """
    values = np.column_stack([points, confidence]).astype(np.float32)
    return PointCloud2(
        header=header(stamp, frame),
        height=1,
        width=len(values),
        fields=[
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate(('x', 'y', 'z', 'confidence'))
        ],
        is_bigendian=_BIG_ENDIAN,
        point_step=16,
        row_step=16 * len(values),
        data=_bytes(values),
        is_dense=True,
    )


def point_values(message: PointCloud2) -> np.ndarray:
    """Return what ``point_cloud`` has put into a message: (P, 4) x, y, z and confidence."""
    kind = np.dtype(np.float32).newbyteorder('>' if message.is_bigendian else '<')
    return np.frombuffer(message.data, kind).reshape(-1, 4).astype(np.float32)


def pixels(message: Image) -> np.ndarray:
    """Return what ``image_message`` has put into a message: (H, W, 3) uint8 BGR."""
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)


def _set_vector(message: Any, values: np.ndarray) -> None:
    message.x, message.y, message.z = values.tolist()


def _set_rotation(message: Any, rotation: np.ndarray) -> None:
    message.x, message.y, message.z, message.w = quaternion(rotation).tolist()


def _bytes(values: np.ndarray) -> array.array:
    # The setters of message fields check a list or bytes item by item, but not an array.
    result = array.array('B')
    result.frombytes(np.ascontiguousarray(values).tobytes())
    return result
