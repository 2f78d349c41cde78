# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's last poses, as the keyframes that they were measured against now stand."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from loftr_vo.geometry.rigid_motion import transform
from loftr_vo.odometry.inertial.tuning import TUNING

if TYPE_CHECKING:
    from loftr_vo.odometry.map.keyframe import Keyframe


@dataclass(frozen=True, eq=False)
class PathPose:
    """The pose of a frame.

    Attributes:
        stamp: nanoseconds.
        keyframe: number of the keyframe that it was measured against.
        in_keyframe: (4, 4), keyframe from camera.
        pose: (4, 4), map from camera, as of the last refresh.
        position_sigma: standard deviation of a coordinate, in units.
        rotation_sigma: in radians.
    """

    stamp: int
    keyframe: int
    in_keyframe: np.ndarray
    pose: np.ndarray
    position_sigma: float
    rotation_sigma: float


class CameraPath:
    """Poses of one map without a gap.

    Bundle adjustment moves keyframes, and with them the poses that were measured against them. A
    pose whose keyframe has left the map stays where that was last.
    """

    def __init__(self) -> None:
        self.poses: deque[PathPose] = deque(maxlen=TUNING.max_poses)

    def add(
        self, stamp: int, keyframe: Keyframe, pose: np.ndarray, covariance: np.ndarray
    ) -> None:
        """Add the pose of a frame.

        Args:
            stamp: nanoseconds, later than the last.
            keyframe: that it was measured against.
            pose: (4, 4), map from camera.
            covariance: (6, 6) of the pose, the keyframe taken as exact.
        """
        inverse = keyframe.pose[:3, :3].T
        in_keyframe = transform(
            inverse @ pose[:3, :3], inverse @ (pose[:3, 3] - keyframe.pose[:3, 3])
        )
        position = np.sqrt(np.trace(covariance[:3, :3]) / 3)
        rotation = np.sqrt(np.trace(covariance[3:, 3:]) / 3)
        self.poses.append(
            PathPose(
                stamp,
                keyframe.number,
                in_keyframe,
                pose,
                max(float(position), TUNING.position_sigma * keyframe.reference_depth),
                max(float(rotation), TUNING.rotation_sigma),
            )
        )

    def refresh(self, keyframes: Iterable[Keyframe]) -> None:
        """Move the poses with the map's keyframes, and with each frame that became one."""
        by_number = {keyframe.number: keyframe for keyframe in keyframes}
        by_stamp = {keyframe.frame.stamp: keyframe for keyframe in by_number.values()}
        for index, each in enumerate(self.poses):
            own = by_stamp.get(each.stamp)
            if own is not None:
                self.poses[index] = replace(
                    each, keyframe=own.number, in_keyframe=np.eye(4), pose=own.pose
                )
            elif each.keyframe in by_number:
                keyframe = by_number[each.keyframe]
                self.poses[index] = replace(each, pose=keyframe.pose @ each.in_keyframe)

    def rescale(self, factor: float, shift: np.ndarray) -> None:
        """Convert to another unit: X' = factor X + shift, (3,)."""
        for index, each in enumerate(self.poses):
            in_keyframe, pose = each.in_keyframe.copy(), each.pose.copy()
            in_keyframe[:3, 3] *= factor
            pose[:3, 3] = factor * pose[:3, 3] + shift
            self.poses[index] = replace(
                each,
                in_keyframe=in_keyframe,
                pose=pose,
                position_sigma=factor * each.position_sigma,
            )

    def clear(self) -> None:
        """Drop all poses: the path is interrupted."""
        self.poses.clear()

    def drop_before(self, stamp: int) -> None:
        """Drop the poses before a time in nanoseconds."""
        while self.poses and self.poses[0].stamp < stamp:
            self.poses.popleft()
