# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Classical monocular odometry: baselines for LoFTR's on the same frames.

Corners are matched from each frame to the next, and an essential matrix gives the motion. Its
length follows from the depths of points that the motion before has triangulated. There are no
keyframes and no refinement, so that the figures show the features alone.
"""

from __future__ import annotations

import cv2
import numpy as np

from loftr_vo.evaluation.feature_links import Links, make_linker, with_rays
from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import Estimate, State

RANSAC_THRESHOLD = 1.0  # pixels
MIN_INLIERS = 20
# Degrees; points whose rays meet at a smaller angle are not triangulated.
MIN_PARALLAX = 0.1
STATIONARY_MOTION = 0.3  # pixels
# In lengths of the motion. OpenCV's default, 50, excludes far scenes of a slow camera.
FARTHEST = 1e6


class ClassicalOdometry:
    """Odometry from frame to frame, with the interface of ``VisualOdometry``."""

    def __init__(self, name: str) -> None:
        """Take the baseline's name: one of ``BASELINES``."""
        self._linker = make_linker(name)
        self._pose = np.eye(4)
        self._before: np.ndarray | None = None
        self._depths = np.empty(0)
        self._length = 1.0

    def mount_imu(self, imu_from_camera: np.ndarray, noise: ImuNoise | None = None) -> None:
        """Take where an IMU is, of which a baseline has no use."""

    def track(self, frame: Frame) -> Estimate:
        """Return the estimate after one more frame."""
        links = with_rays(self._linker.link(frame.image), frame.camera)
        first, before = self._before is None, self._before
        self._before = frame.image
        if first:
            return self._estimate(frame, State.INITIALISING, 'first frame')
        found = self._find_motion(links, frame.camera)
        if found is None:
            self._depths = np.empty(0)
            return self._estimate(frame, State.LOST, 'too few matches agree with a motion')
        motion, inliers = found
        self._pose = self._pose @ np.linalg.inv(motion)
        matches = _as_matches(links)
        return self._estimate(frame, State.TRACKING, '', matches, inliers, before)

    def _find_motion(self, links: Links, camera: Camera) -> tuple[np.ndarray, np.ndarray] | None:
        """Return this frame from the one before, (4, 4), and which links agree with it."""
        if len(links.points0) < MIN_INLIERS:
            return None
        shift = np.linalg.norm(links.points1 - links.points0, axis=1)
        if np.median(shift) < STATIONARY_MOTION:
            known = _look_up(self._depths, links.index0)
            self._depths = _spread(known, links.index1)
            return np.eye(4), shift < RANSAC_THRESHOLD
        rays0, rays1 = camera.undistort(links.points0), camera.undistort(links.points1)
        found = _relative_pose(rays0, rays1, camera.focal)
        if found is None:
            return None
        motion, inliers = found
        depths0, depths1, parallax = _triangulate(motion, rays0, rays1)
        usable = inliers & (depths0 > 0) & (depths1 > 0) & (parallax > MIN_PARALLAX)
        known = _look_up(self._depths, links.index0)
        shared = usable & np.isfinite(known)
        if shared.sum() >= 5:
            self._length = float(np.median(known[shared] / depths0[shared]))
        motion[:3, 3] *= self._length
        carried = np.where(usable, depths1 * self._length, np.nan)
        self._depths = _spread(carried, links.index1)
        return motion, inliers

    def _estimate(
        self,
        frame: Frame,
        state: State,
        reason: str,
        matches: Matches | None = None,
        inliers: np.ndarray | None = None,
        before: np.ndarray | None = None,
    ) -> Estimate:
        return Estimate(
            stamp=frame.stamp,
            state=state,
            reason=reason,
            pose=self._pose.copy(),
            covariance=np.full((6, 6), np.nan),
            matches=matches,
            inliers=inliers,
            keyframe_image=before,
            is_keyframe=True,
        )


def _relative_pose(
    rays0: np.ndarray, rays1: np.ndarray, focal: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the motion (4, 4), of length one, from rays (N, 2) at depth one, and its inliers."""
    matrix = np.diag([focal, focal, 1.0])
    cv2.setRNGSeed(0)
    essential, mask = cv2.findEssentialMat(
        rays0 * focal, rays1 * focal, matrix, cv2.USAC_MAGSAC, 0.999, RANSAC_THRESHOLD
    )
    if essential is None or essential.shape != (3, 3):
        return None
    count, rotation, direction, mask, _ = cv2.recoverPose(
        essential, rays0 * focal, rays1 * focal, matrix, distanceThresh=FARTHEST, mask=mask
    )
    if count < MIN_INLIERS:
        return None
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rotation, direction[:, 0]
    return motion, mask[:, 0] > 0


def _triangulate(
    motion: np.ndarray, rays0: np.ndarray, rays1: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the depths (N,) in either frame and the angle between the rays in degrees."""
    points = cv2.triangulatePoints(np.eye(4)[:3], motion[:3], rays0.T, rays1.T)
    with np.errstate(divide='ignore', invalid='ignore'):
        points = points[:3] / points[3]
    in_second = motion[:3, :3] @ points + motion[:3, 3:]
    directions0 = motion[:3, :3] @ np.vstack([rays0.T, np.ones(len(rays0))])
    directions1 = np.vstack([rays1.T, np.ones(len(rays1))])
    sines = np.linalg.norm(np.cross(directions0, directions1, axis=0), axis=0)
    cosines = (directions0 * directions1).sum(axis=0)
    return points[2], in_second[2], np.degrees(np.arctan2(sines, cosines))


def _look_up(depths: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the depths at ``index``, NaN for points that have none."""
    padded = np.append(depths, np.full(max(0, index.max(initial=-1) + 1 - len(depths)), np.nan))
    return padded[index]


def _spread(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return an array with ``values`` at ``index`` and NaN elsewhere."""
    depths = np.full(index.max(initial=-1) + 1, np.nan)
    depths[index] = values
    return depths


def _as_matches(links: Links) -> Matches:
    count = len(links.points0)
    return Matches(
        keypoints0=links.points0.astype(np.float32),
        keypoints1=links.points1.astype(np.float32),
        confidence=np.ones(count, np.float32),
        spread=np.ones(count, np.float32),
        cells=links.index0,
    )
