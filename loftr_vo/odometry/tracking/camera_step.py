# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's own motion from one frame to the next, for its velocity.

Differences of published poses are not the velocity: they also change where a map is corrected,
where the pose is blended back after a loss, and where the unit of length changes. So the poses of
both frames against one keyframe are compared, in its present unit. Without such a keyframe there
is no step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.rigid_motion import inverse_transform, skew
from loftr_vo.geometry.rotation import rotate_covariance
from loftr_vo.odometry.tracking.tuning import TUNING


@dataclass(frozen=True, eq=False)
class CameraStep:
    """The motion of the camera since the frame before.

    Attributes:
        seconds: between the two frames.
        motion: (4, 4), the frame before from this one: maps points.
        covariance: (6, 6) of translation and rotation (left perturbation), in the axes of this
            frame's camera.
    """

    seconds: float
    motion: np.ndarray
    covariance: np.ndarray

    @property
    def translation(self) -> np.ndarray:
        """(3,) translation from the camera before to this one, in the axes of this one."""
        return np.asarray(self.motion[:3, :3].T @ self.motion[:3, 3])


@dataclass(frozen=True, eq=False)
class Placement:
    """The pose of a frame against a keyframe.

    Attributes:
        stamp: nanoseconds, the frame's.
        keyframe: number of the keyframe.
        pose: (4, 4), keyframe from frame.
        covariance: (6, 6) of the pose, in the keyframe's axes, the keyframe taken as exact.
        has_depth: whether the length of the translation is measured; it is guessed otherwise.
    """

    stamp: int
    keyframe: int
    pose: np.ndarray
    covariance: np.ndarray
    has_depth: bool

    @classmethod
    def of_keyframe(cls, stamp: int, number: int) -> Placement:
        """Return that of the keyframe itself, exact."""
        return cls(stamp, number, np.eye(4), np.zeros((6, 6)), True)

    @property
    def is_keyframe(self) -> bool:
        """Whether the frame is the keyframe itself."""
        return not self.covariance.any()


def step_between(
    before: Placement | None, now: Placement, scale_deviation: float
) -> CameraStep | None:
    """Return the motion between two frames; None if they have no keyframe in common.

    Args:
        before, now: consecutive frames.
        scale_deviation: standard deviation of the keyframe's unit of length, relative.
    """
    if before is None or before.keyframe != now.keyframe or now.stamp <= before.stamp:
        return None
    if not before.is_keyframe and before.has_depth != now.has_depth:
        # One length is measured and the other guessed, so their units differ.
        return None
    motion = inverse_transform(before.pose) @ now.pose
    if before.is_keyframe:
        covariance = TUNING.own_error_ratio_from_keyframe * now.covariance
    else:
        covariance = TUNING.own_error_ratio * (before.covariance + now.covariance)
    translation = now.pose[:3, 3] - before.pose[:3, 3]
    by_pose = np.eye(6)
    by_pose[:3, 3:] = skew(translation)  # it is rotated into the axes of ``now``
    covariance = by_pose @ covariance @ by_pose.T
    covariance[:3, :3] += scale_deviation**2 * np.outer(translation, translation)
    seconds = (now.stamp - before.stamp) * 1e-9
    return CameraStep(seconds, motion, rotate_covariance(covariance, now.pose[:3, :3].T))
