# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A resting camera has a resting pose."""

from __future__ import annotations

import numpy as np

from loftr_vo.keyframe import Keyframe
from loftr_vo.motion import Motion

_FEWEST_SHARED = 20


class RestDetector:
    """Compares each frame with the one at which the camera may have come to rest.

    The comparison is with the first frame of the rest, not with the last one: a camera that creeps
    leaves it sooner or later, so slow motion is followed in small steps and never swallowed.
    """

    def __init__(self) -> None:
        self._keyframe: Keyframe | None = None
        self._position = np.empty((0, 2))  # by cell of the keyframe, NaN where not seen
        self._pose = np.eye(4)

    def settle(
        self, keyframe: Keyframe, motion: Motion, pose: np.ndarray, threshold: float
    ) -> tuple[np.ndarray, bool]:
        """Return the pose to go on with, and whether the camera rests.

        Args:
            keyframe: what the motion is relative to.
            motion: the frame's.
            pose: (4, 4), world from frame, by that motion.
            threshold: pixels that the matches of a resting camera move at most, in median.
        """
        if keyframe is self._keyframe and self._moved(motion) < threshold:
            return self._pose, True
        self._keyframe, self._pose = keyframe, pose
        self._position = np.full((len(keyframe.rays), 2), np.nan)
        inliers = motion.matches.select(motion.inliers)
        self._position[inliers.cells] = inliers.keypoints1
        return pose, False

    def _moved(self, motion: Motion) -> float:
        inliers = motion.matches.select(motion.inliers)
        distance = np.linalg.norm(self._position[inliers.cells] - inliers.keypoints1, axis=1)
        shared = np.isfinite(distance)
        if shared.sum() < _FEWEST_SHARED:
            return np.inf
        return float(np.median(distance[shared]))
