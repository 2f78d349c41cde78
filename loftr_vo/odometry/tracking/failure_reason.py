# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The reason why no motion explains a frame."""

from __future__ import annotations

import numpy as np

from loftr_vo.imaging.image_quality import quality_problem
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import MotionError
from loftr_vo.odometry.tracking.tuning import TUNING


def failure_reason(
    error: MotionError, image: np.ndarray, keyframe: Keyframe, expected_inliers: int
) -> str:
    """Return the reason why a frame is lost, for ``Estimate.reason``.

    It begins with ``covered``, ``blank``, ``blur``, ``jump``, ``too few inliers`` or ``solver``,
    or is about the size of the picture.

    Args:
        error: of the pose estimation.
        image: (H, W) uint8, the frame's picture.
        keyframe: its reference.
        expected_inliers: number of inliers of the frames before.
    """
    if error.agreeing is None:
        return str(error)
    if problem := quality_problem(image, keyframe.frame.image):
        return problem
    if error.agreeing < TUNING.jump_inlier_ratio * expected_inliers:
        return (
            f'jump: {error.agreeing} matches agree where {expected_inliers} did; the camera '
            'is elsewhere, or something covers its view'
        )
    return str(error)
