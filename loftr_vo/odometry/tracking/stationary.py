# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Detection of a camera at rest and of pure rotation, for which pose or position is held."""

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
    """Detects a camera at rest, by the displacement of the matches.

    A frame is compared with the one where the camera came to rest, not with the last frame. So a
    camera that moves slowly exceeds the threshold in time, and is followed in small steps.

    The displacement is that of an affine model of all matches. Single matches are noisy in a dim
    or dull picture.
    """

    def __init__(self) -> None:
        self._keyframe: Keyframe | None = None
        self._motion: Motion | None = None
        self._pose = np.eye(4)

    def hold(
        self, keyframe: Keyframe, motion: Motion, pose: np.ndarray, threshold: float
    ) -> tuple[np.ndarray, bool]:
        """Return the pose to continue with, and whether the camera rests.

        Args:
            keyframe: reference of the motion.
            motion: of the frame.
            pose: (4, 4), world from frame, by that motion.
            threshold: largest median displacement of the matches at rest, in pixels, without
                noise.
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
        """Move the held pose by ``step``, (4, 4), in the world."""
        self._pose = step @ self._pose


class PureRotationDetector:
    """Detects pure rotation, and holds the position meanwhile.

    A pure rotation shows no parallax, so a change of position is error alone, which would
    accumulate from keyframe to keyframe. As at rest, a frame is compared with the one where the
    rotation began.
    """

    def __init__(self) -> None:
        self._start: np.ndarray | None = None
        self._rotating = False

    def hold(
        self, keyframe: Keyframe, motion: Motion, pose: np.ndarray
    ) -> tuple[np.ndarray, bool]:
        """Return the pose to continue with, and whether the camera only rotates.

        Args:
            keyframe: reference of the motion.
            motion: of the frame.
            pose: (4, 4), world from frame, by that motion.
        """
        start, self._start = self._start, pose
        rotating, self._rotating = self._rotating, False
        if start is None:
            return pose, False
        offset = start[:3, 3] - pose[:3, 3]
        angle = angle_of(start[:3, :3].T @ pose[:3, :3])
        ratio = (
            TUNING.pure_rotation_ratio_without_depth
            if rotating and not motion.has_depth
            else POSE_TUNING.pure_rotation_ratio
        )
        farthest = ratio * min(angle, 1.0) * keyframe.reference_depth
        if angle < TUNING.min_rotation or np.linalg.norm(offset) > farthest:
            return pose, False
        covariance = relative_covariance(keyframe, motion)
        of_position, with_rotation = covariance[:3, :3], covariance[3:, :3]
        by_information = np.linalg.solve(of_position, offset)
        limit = TUNING.leave_rotation_sigmas if rotating else TUNING.enter_rotation_sigmas
        if offset @ by_information > limit**2:
            return pose, False
        # Conditioning of a normal distribution: the held position corrects the rotation.
        correction = Rotation.from_rotvec(with_rotation @ by_information).as_matrix()
        self._start, self._rotating = start, True
        return transform(correction @ pose[:3, :3], start[:3, 3]), True

    def move_to(self, pose: np.ndarray) -> None:
        """Replace the last pose (4, 4) by one that was refined after the frame."""
        self._start = pose


def _common_displacement(first: Motion, now: Motion, cells: int) -> float:
    """Median displacement in pixels of an affine model of the matches between two frames.

    Args:
        first, now: motions of both frames against one keyframe.
        cells: number of cells of the keyframe.
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
    """Displacement (N,) of points in pixels, by an affine model of them all.

    Rotations and translations are affine to first order, for a scene of one depth. The fit is
    robust (Huber's weights, their scale from the median error).

    Args:
        points: (N, 2) pixels of the keyframe, without noise.
        difference: (N, 2) displacements with noise, in pixels.
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
