# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Why a frame is not explained, in words that begin with the kind of trouble."""

from __future__ import annotations

import numpy as np

from loftr_vo.motion import MotionError, TooFewMatches
from loftr_vo.picture_quality import complaint


def explain(error: MotionError, image: np.ndarray, reference: np.ndarray) -> str:
    """Return the reason why a frame is lost.

    It begins with ``covered``, ``blank``, ``blur``, ``jump`` or ``too few inliers``, or is about
    the size of the picture.

    Args:
        error: what the geometry says.
        image: (H, W) uint8, the frame's picture.
        reference: (H, W) uint8, the keyframe's picture.
    """
    if trouble := complaint(image, reference):
        return trouble
    if isinstance(error, TooFewMatches):
        return f'jump: {error}; the camera is elsewhere, or something covers its view'
    return str(error)
