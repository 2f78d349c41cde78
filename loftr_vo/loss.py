# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Why a frame is not explained, in words that begin with the kind of trouble."""

from __future__ import annotations

import numpy as np

from loftr_vo.keyframe import Keyframe
from loftr_vo.motion import MotionError
from loftr_vo.picture_quality import complaint

# Of the inliers that frames had until now: where fewer than this share agree, the
# frame shows something else; the network matches a few cells of any two pictures.
_NOTHING_IN_COMMON = 0.1


def explain(error: MotionError, image: np.ndarray, keyframe: Keyframe, usual_inliers: int) -> str:
    """Return the reason why a frame is lost.

    It begins with ``covered``, ``blank``, ``blur``, ``jump`` or ``too few inliers``, or is about
    the size of the picture.

    Args:
        error: what the geometry says of the frame.
        image: (H, W) uint8, the frame's picture.
        keyframe: what it was matched with.
        usual_inliers: how many matches agreed, of the frames before.
    """
    if error.agreeing is None:
        return str(error)
    if trouble := complaint(image, keyframe.frame.image):
        return trouble
    if error.agreeing < _NOTHING_IN_COMMON * usual_inliers:
        return (
            f'jump: {error.agreeing} matches agree where {usual_inliers} did; the camera '
            'is elsewhere, or something covers its view'
        )
    return str(error)
