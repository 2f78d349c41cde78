# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Points found again from frame to frame, for the classical baselines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np

from loftr_vo.imaging.camera import Camera

BASELINES = ('orb', 'sift', 'lk')


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
