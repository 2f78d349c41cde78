# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A resting camera has a resting pose, and one that turns on the spot stays on it."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rigid_motion import transform
from loftr_vo.geometry.robust_cost import HUBER, RAYLEIGH_MEDIAN
from loftr_vo.geometry.rotation import angle_of
from loftr_vo.odometry.map.covariance import relative_covariance
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.pose.tuning import TUNING as POSE_TUNING
from loftr_vo.odometry.tracking.tuning import TUNING


class StationaryDetector:
    """Compares each frame with the one at which the camera may have come to rest.

    The comparison is with the first frame of the rest, not with the last one: a camera that creeps
    leaves it sooner or later, so slow motion is followed in small steps and never swallowed.

    What counts is what the matches move by together: each by itself is as noisy as the picture is
    dim or dull, and would have a camera move that stands still.
    """

    def __init__(self) -> None:
        self._keyframe: Keyframe | None = None
        self._motion: Motion | None = None
        self._pose = np.eye(4)

    def settle(
        self, keyframe: Keyframe, motion: Motion, pose: np.ndarray, threshold: float
    ) -> tuple[np.ndarray, bool]:
        """Return the pose to go on with, and whether the camera rests.

        Args:
            keyframe: what the motion is relative to.
            motion: the frame's.
            pose: (4, 4), world from frame, by that motion.
            threshold: pixels that the matches of a resting camera move at most, in median and
                noise left out.
        """
        if (
            keyframe is self._keyframe
            and self._motion is not None
            and _common_displacement(self._motion, motion, len(keyframe.rays)) < threshold
        ):
            return self._pose, True
        self._keyframe, self._motion, self._pose = keyframe, motion, pose
        return pose, False

    def move(self, step: np.ndarray) -> None:
        """Have the world moved by ``step``, (4, 4)."""
        self._pose = step @ self._pose


class PureRotationDetector:
    """Holds the position of a camera that only turns.

    A turn shows no parallax, so what position it seems to have is error alone; keyframe after
    keyframe of it would add up. As with rest, the comparison is with where the turn began.
    """

    def __init__(self) -> None:
        self._start: np.ndarray | None = None
        self._turning = False

    def settle(
        self, keyframe: Keyframe, motion: Motion, pose: np.ndarray
    ) -> tuple[np.ndarray, bool]:
        """Return the pose to go on with, and whether the camera turns on the spot.

        Args:
            keyframe: what the motion is relative to.
            motion: the frame's.
            pose: (4, 4), world from frame, by that motion.
        """
        start, self._start = self._start, pose
        turning, self._turning = self._turning, False
        if start is None:
            return pose, False
        way = start[:3, 3] - pose[:3, 3]
        angle = angle_of(start[:3, :3].T @ pose[:3, :3])
        share = (
            TUNING.pure_rotation_ratio_without_depth
            if turning and not motion.has_depth
            else POSE_TUNING.pure_rotation_ratio
        )
        farthest = share * min(angle, 1.0) * keyframe.reference_depth
        if angle < TUNING.min_rotation or np.linalg.norm(way) > farthest:
            return pose, False
        covariance = relative_covariance(keyframe, motion)
        of_position, with_rotation = covariance[:3, :3], covariance[3:, :3]
        by_information = np.linalg.solve(of_position, way)
        limit = TUNING.leave_rotation_sigmas if turning else TUNING.enter_rotation_sigmas
        if way @ by_information > limit**2:
            return pose, False
        # What the position is known to be corrects the rotation, as far as both go together.
        correction = Rotation.from_rotvec(with_rotation @ by_information).as_matrix()
        self._start, self._turning = start, True
        return transform(correction @ pose[:3, :3], start[:3, 3]), True

    def move_to(self, pose: np.ndarray) -> None:
        """Take over a pose (4, 4) that was corrected after the frame."""
        self._start = pose


def _common_displacement(first: Motion, now: Motion, cells: int) -> float:
    """Pixels by which the matches move together from one frame to another, in median.

    Args:
        first, now: both frames' motions against one keyframe.
        cells: of the keyframe.
    """
    before, after = np.flatnonzero(first.inliers), np.flatnonzero(now.inliers)
    match_at = np.full(cells, -1)
    match_at[first.matches.cells.take(before)] = before
    partner = match_at.take(now.matches.cells.take(after))
    shared = np.flatnonzero(partner >= 0)
    if len(shared) < TUNING.min_shared_matches:
        return np.inf
    before, after = partner.take(shared), after.take(shared)
    there = now.matches.keypoints1.take(after, axis=0).astype(np.float64)
    difference = there - first.matches.keypoints1.take(before, axis=0)
    quarter = len(difference) // 4
    x, y = difference.T
    least = math.sqrt(np.partition(x * x + y * y, quarter)[quarter])
    if least > TUNING.clear_displacement:
        return least
    points = now.matches.keypoints0.take(after, axis=0)
    return float(np.median(_affine_displacement(points, difference)))


def _affine_displacement(points: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Pixels (N,) by which points move, as far as it is one affine motion of them all.

    A turn, a step aside or ahead are one, to first order and for a scene of one depth. The fit is
    robust (Huber's weights, with the errors' own scale).

    Args:
        points: (N, 2) pixels of the keyframe, free of noise.
        difference: (N, 2) where they are, less where they were.
    """
    centred = (points - points.mean(axis=0)) / max(float(points.std()), 1e-6)
    design = np.column_stack([centred, np.ones(len(points))])
    weight = np.ones(len(points))
    for _ in range(TUNING.affine_rounds):
        root = np.sqrt(weight)[:, None]
        motion = np.linalg.lstsq(root * design, root * difference, rcond=None)[0]
        error = np.linalg.norm(difference - design @ motion, axis=1)
        limit = HUBER * float(np.median(error)) / RAYLEIGH_MEDIAN
        weight = np.minimum(1.0, limit / np.maximum(error, 1e-9))
    length: np.ndarray = np.linalg.norm(design @ motion, axis=1)
    return length
