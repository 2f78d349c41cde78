# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's own motion from one frame to the next, for its velocity.

Differences of published poses are no velocity: they also move where a map is corrected, where the
pose glides back after a loss, and where the unit of length changes. So both frames are compared
as one keyframe has them, in its present unit. Where no keyframe has both, nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.rigid_motion import inverse_transform, skew
from loftr_vo.geometry.rotation import rotate_covariance
from loftr_vo.odometry.tracking.tuning import TUNING


@dataclass(frozen=True, eq=False)
class CameraStep:
    """How the camera moved since the frame before.

    Attributes:
        seconds: between the two frames.
        motion: (4, 4), the frame before from this one: maps points.
        covariance: (6, 6) of the way and of the turn (left perturbation), in the axes of this
            frame's camera.
    """

    seconds: float
    motion: np.ndarray
    covariance: np.ndarray

    @property
    def way(self) -> np.ndarray:
        """(3,) from the camera before to this one, in the axes of this one."""
        return np.asarray(self.motion[:3, :3].T @ self.motion[:3, 3])


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a frame is, as a keyframe has it.

    Attributes:
        stamp: nanoseconds, the frame's.
        keyframe: number of the keyframe.
        pose: (4, 4), keyframe from frame.
        covariance: (6, 6) of the pose, in the keyframe's axes, the keyframe taken as exact.
        has_depth: whether the length of the way is measured; guessed otherwise.
    """

    stamp: int
    keyframe: int
    pose: np.ndarray
    covariance: np.ndarray
    has_depth: bool

    @classmethod
    def of_keyframe(cls, stamp: int, number: int) -> Placement:
        """Return where a keyframe itself is: exactly there."""
        return cls(stamp, number, np.eye(4), np.zeros((6, 6)), True)

    @property
    def is_keyframe(self) -> bool:
        """Whether the frame is the keyframe itself."""
        return not self.covariance.any()


def step_between(
    before: Placement | None, now: Placement, scale_deviation: float
) -> CameraStep | None:
    """Return the motion between two frames of one keyframe; None where they are not.

    Args:
        before, now: consecutive frames.
        scale_deviation: standard deviation of the keyframe's unit of length, relative.
    """
    if before is None or before.keyframe != now.keyframe or now.stamp <= before.stamp:
        return None
    if not before.is_keyframe and before.has_depth != now.has_depth:
        # One length is measured and the other guessed: they have no unit in common.
        return None
    motion = inverse_transform(before.pose) @ now.pose
    if before.is_keyframe:
        covariance = TUNING.own_error_ratio_from_keyframe * now.covariance
    else:
        covariance = TUNING.own_error_ratio * (before.covariance + now.covariance)
    way = now.pose[:3, 3] - before.pose[:3, 3]
    by_pose = np.eye(6)
    by_pose[:3, 3:] = skew(way)  # the way is seen from a camera that is turned as ``now`` says
    covariance = by_pose @ covariance @ by_pose.T
    covariance[:3, :3] += scale_deviation**2 * np.outer(way, way)
    seconds = (now.stamp - before.stamp) * 1e-9
    return CameraStep(seconds, motion, rotate_covariance(covariance, now.pose[:3, :3].T))
