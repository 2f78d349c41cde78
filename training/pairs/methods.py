# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to match two pictures: two (N, 2) float arrays of pixels for two (H, W) uint8 pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np

from loftr_vo.matching.image_pair import match_and_refine
from loftr_vo.matching.matcher import Matcher

Points = tuple[np.ndarray, np.ndarray]
Method = Callable[[np.ndarray, np.ndarray], Points]

SIFT_RATIO = 0.8
NONE: Points = (np.empty((0, 2), np.float32), np.empty((0, 2), np.float32))


def orb(image0: np.ndarray, image1: np.ndarray) -> Points:
    """ORB(2000), matched both ways."""
    detector = cv2.ORB.create(2000)
    (points0, described0), (points1, described1) = (
        _described(detector, image) for image in (image0, image1)
    )
    if described0 is None or described1 is None:
        return NONE
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(described0, described1)
    return _paired(points0, points1, [(pair.queryIdx, pair.trainIdx) for pair in pairs])


def sift(image0: np.ndarray, image1: np.ndarray) -> Points:
    """SIFT(4000) with Lowe's ratio."""
    detector = cv2.SIFT.create(4000)
    (points0, described0), (points1, described1) = (
        _described(detector, image) for image in (image0, image1)
    )
    if described0 is None or described1 is None:
        return NONE
    nearest = cv2.BFMatcher(cv2.NORM_L2).knnMatch(described0, described1, k=2)
    good = [
        (best.queryIdx, best.trainIdx)
        for best, second in (two for two in nearest if len(two) == 2)
        if best.distance < SIFT_RATIO * second.distance
    ]
    return _paired(points0, points1, good)


def by_network(matcher: Matcher, refine: bool) -> Method:
    """LoFTR; with ``refine`` as ``loftr_vo match`` and the odometry place its matches."""

    def match(image0: np.ndarray, image1: np.ndarray) -> Points:
        matches = match_and_refine(matcher, image0, image1, refine=refine)
        return matches.keypoints0, matches.keypoints1

    return match


def _described(detector: cv2.Feature2D, image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    keypoints, descriptors = detector.detectAndCompute(image, cast(np.ndarray, None))
    points = np.array(cv2.KeyPoint.convert(keypoints), np.float32).reshape(-1, 2)
    return points, descriptors


def _paired(points0: np.ndarray, points1: np.ndarray, pairs: list[tuple[int, int]]) -> Points:
    index = np.array(pairs, np.int64).reshape(-1, 2)
    return points0[index[:, 0]], points1[index[:, 1]]
