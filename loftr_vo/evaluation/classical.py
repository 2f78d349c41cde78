# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Classical monocular odometry: baselines for LoFTR's on the same frames.

Corners are matched from each frame to the next, and an essential matrix gives the motion. Its
length follows from the depths of points that the motion before has triangulated. There are no
keyframes and no refinement, so that the figures show the features alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np

from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import Estimate, State

BASELINES = ('orb', 'sift', 'lk')

RANSAC_THRESHOLD = 1.0  # pixels
MIN_INLIERS = 20
# Degrees; points whose rays meet at a smaller angle are not triangulated.
MIN_PARALLAX = 0.1
STATIONARY_MOTION = 0.3  # pixels
# In lengths of the motion. OpenCV's default, 50, excludes far scenes of a slow camera.
FARTHEST = 1e6


@dataclass(frozen=True, eq=False)
class Links:
    """Points seen in two frames in a row.

    Attributes:
        points0, points1: (N, 2) float32, pixels in the frame before and in this one.
        index0, index1: (N,) int64, which of the points of either frame they are.
    """

    points0: np.ndarray
    points1: np.ndarray
    index0: np.ndarray
    index1: np.ndarray


class Linker(ABC):
    """Finds the points of the frame before again in the next."""

    @abstractmethod
    def link(self, image: np.ndarray) -> Links:
        """Return the links from the picture of the call before to ``image``; none at first."""


class DescriptorLinker(Linker):
    """Described corners, matched both ways (cross-check)."""

    def __init__(self, detector: cv2.Feature2D, norm: int) -> None:
        """Set the detector, and the norm in which its descriptors are compared."""
        self._detector = detector
        self._matcher = cv2.BFMatcher(norm, crossCheck=True)
        self._points = np.empty((0, 2), np.float32)
        self._descriptors: np.ndarray | None = None

    def link(self, image: np.ndarray) -> Links:
        """See ``Linker``."""
        keypoints, descriptors = self._detector.detectAndCompute(image, None)
        points = np.array(cv2.KeyPoint.convert(keypoints), np.float32).reshape(-1, 2)
        pairs = (
            self._matcher.match(self._descriptors, descriptors)
            if self._descriptors is not None and descriptors is not None
            else []
        )
        index0 = np.array([pair.queryIdx for pair in pairs], np.int64)
        index1 = np.array([pair.trainIdx for pair in pairs], np.int64)
        links = Links(self._points[index0], points[index1], index0, index1)
        self._points, self._descriptors = points, descriptors
        return links


class FlowLinker(Linker):
    """Corners (Shi-Tomasi) followed by pyramidal Lucas-Kanade, there and back."""

    COUNT = 2000
    SPACING = 7  # pixels
    MAX_ROUND_TRIP = 0.5  # pixels

    def __init__(self) -> None:
        """Start without points."""
        self._image = np.empty((0, 0), np.uint8)
        self._points = np.empty((0, 2), np.float32)

    def link(self, image: np.ndarray) -> Links:
        """See ``Linker``."""
        if len(self._points) == 0:
            followed, index0 = np.empty((0, 2), np.float32), np.empty(0, np.int64)
        else:
            followed, index0 = self._follow(image)
        links = Links(self._points[index0], followed, index0, np.arange(len(followed)))
        self._image = image
        self._points = np.vstack([followed, self._fresh_corners(image, followed)])
        return links

    def _follow(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there, found = _flow(self._image, image, self._points)
        back, found_back = _flow(image, self._image, there)
        missed = np.linalg.norm(back - self._points, axis=1)
        limit = np.array(image.shape[::-1]) - 1
        inside = ((there >= 0) & (there <= limit)).all(axis=1)
        good = inside & found & found_back & (missed < self.MAX_ROUND_TRIP)
        return there[good], np.flatnonzero(good)

    def _fresh_corners(self, image: np.ndarray, taken: np.ndarray) -> np.ndarray:
        wanted = self.COUNT - len(taken)
        if wanted <= 0:
            return np.empty((0, 2), np.float32)
        free = np.full(image.shape, 255, np.uint8)
        for x, y in taken.round().astype(int).tolist():
            cv2.circle(free, (x, y), self.SPACING, 0, cv2.FILLED)
        corners = cv2.goodFeaturesToTrack(image, wanted, 0.005, self.SPACING, mask=free)
        return np.empty((0, 2), np.float32) if corners is None else corners.reshape(-1, 2)


def _flow(
    image0: np.ndarray, image1: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    moved, found, _ = cv2.calcOpticalFlowPyrLK(image0, image1, points, np.empty_like(points))
    return np.asarray(moved), np.asarray(found)[:, 0] > 0


def with_rays(links: Links, camera: Camera) -> Links:
    """Return the links of points that are used, and that the lens has rays for, in both."""
    rays = np.hstack([camera.undistort(links.points0), camera.undistort(links.points1)])
    has = np.isfinite(rays).all(axis=1)
    has &= camera.uses(links.points0) & camera.uses(links.points1)
    return Links(links.points0[has], links.points1[has], links.index0[has], links.index1[has])


def make_linker(name: str) -> Linker:
    """Return the linker of a baseline: one of ``BASELINES``."""
    if name == 'orb':
        return DescriptorLinker(cv2.ORB.create(2000), cv2.NORM_HAMMING)
    if name == 'sift':
        return DescriptorLinker(cv2.SIFT.create(4000), cv2.NORM_L2)
    if name == 'lk':
        return FlowLinker()
    raise ValueError(f'there is no baseline {name!r}; there are {", ".join(BASELINES)}')


class ClassicalOdometry:
    """Odometry from frame to frame, with the interface of ``VisualOdometry``."""

    def __init__(self, name: str) -> None:
        """Take the baseline's name: one of ``BASELINES``."""
        self._linker = make_linker(name)
        self._pose = np.eye(4)
        self._before: np.ndarray | None = None
        self._depths = np.empty(0)
        self._length = 1.0

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
