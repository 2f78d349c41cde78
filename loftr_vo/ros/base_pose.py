# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose in a message of another odometry."""

from __future__ import annotations

import numpy as np
from nav_msgs.msg import Odometry
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.plausible import POSITION
from loftr_vo.imaging.frame import BasePose, stated_covariance
from loftr_vo.ros.messages import nanoseconds


def base_pose(message: Odometry) -> BasePose | None:
    """Return the pose in a message; None if it is not plausible."""
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w])
    pose = np.eye(4)
    pose[:3, 3] = place.x, place.y, place.z
    has_place = POSITION.holds(pose[:3, 3])
    if not has_place or not 0.5 < np.linalg.norm(np.clip(quaternion, -2, 2)) < 2.0:
        return None
    pose[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    covariance = stated_covariance(message.pose.covariance)
    return BasePose(nanoseconds(message.header.stamp), pose, covariance)
