# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Sub-pixel refinement of matches on the full picture, by Lucas-Kanade.

The network works on a smaller picture and its fine stage ends at a fraction of a pixel there.
Where a match's neighbourhood has texture, iterative Lucas-Kanade (Bouguet 2001, OpenCV's) from
that match brings it to a few hundredths of a pixel of the camera. Where it has none, or where both
disagree, the network's word stands.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from loftr_vo.matches import Matches

_WINDOW = 15  # pixels
_LEVELS = 1
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01)
# Smallest eigenvalue of the normal matrix over the window's pixels, grey levels squared.
_LEAST_TEXTURE = 1e-4
_LARGEST_RETURN = 0.5  # pixels, between a point and where tracking there and back brings it
REFINED_SIGMA = 0.15  # pixels, of a refined match; measured on real pictures, see docs/accuracy.md


def refine_subpixel(
    image0: np.ndarray, image1: np.ndarray, matches: Matches
) -> tuple[Matches, np.ndarray]:
    """Refine ``keypoints1``; ``keypoints0`` stay where they are.

    Args:
        image0, image1: (H, W) uint8, the pictures that the matches are pixels of.
        matches: from the network.

    Returns:
        The matches, and (N,) bool: which of them were refined. Their spread is then
        ``REFINED_SIGMA``.
    """
    if not len(matches):
        return matches, np.zeros(0, bool)
    points0, start = matches.keypoints0, matches.keypoints1
    forward, found, _ = _track(image0, image1, points0, start)
    back, found_back, _ = _track(image1, image0, forward, points0)
    returned = np.linalg.norm(back - points0, axis=1) < _LARGEST_RETURN
    reach = np.maximum(2.0, 3.0 * matches.spread)
    near = np.linalg.norm(forward - start, axis=1) < reach
    refined = found & found_back & returned & near
    return (
        replace(
            matches,
            keypoints1=np.where(refined[:, None], forward, start),
            spread=np.where(refined, np.float32(REFINED_SIGMA), matches.spread),
        ),
        refined,
    )


def _track(
    image0: np.ndarray, image1: np.ndarray, points: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    moved, found, error = cv2.calcOpticalFlowPyrLK(
        image0,
        image1,
        points[:, None],
        start[:, None].copy(),
        winSize=(_WINDOW, _WINDOW),
        maxLevel=_LEVELS,
        criteria=_CRITERIA,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        minEigThreshold=_LEAST_TEXTURE,
    )
    return moved[:, 0], found[:, 0] > 0, error[:, 0]
