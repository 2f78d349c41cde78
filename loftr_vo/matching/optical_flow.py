# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pyramidal Lucas-Kanade (Bouguet 2001) by OpenCV, from initial positions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class FlowOptions:
    """How points are tracked.

    Attributes:
        window: side of the window in pixels.
        levels: of the pyramid, beside the picture itself.
        iterations: at most, on each level.
        least_step: pixels; a smaller step ends the iterations.
        least_eigenvalue: of the structure tensor by OpenCV's measure; points below are not found.
    """

    window: int
    levels: int
    iterations: int
    least_step: float
    least_eigenvalue: float


def optical_flow(
    image0: np.ndarray,
    image1: np.ndarray,
    points: np.ndarray,
    start: np.ndarray,
    options: FlowOptions,
    *,
    positions_only: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Track points (N, 2) from the first picture to the second; N may be zero.

    Args:
        image0, image1: (H, W) uint8.
        points: in the first picture, in pixels.
        start: (N, 2), initial positions in the second.
        options: window, pyramid and criteria.
        positions_only: leave the dissimilarity undefined, which takes a tenth of the time.

    Returns:
        (N, 2) float32 positions; (N,) bool, whether they were found; and (N,) float32, the mean
        absolute difference of the windows in grey levels.
    """
    if not len(points):  # which OpenCV refuses
        return np.zeros((0, 2), np.float32), np.zeros(0, bool), np.zeros(0, np.float32)
    flags = cv2.OPTFLOW_USE_INITIAL_FLOW
    if positions_only:
        flags |= cv2.OPTFLOW_LK_GET_MIN_EIGENVALS
    until = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT
    moved, found, dissimilarity = cv2.calcOpticalFlowPyrLK(
        image0,
        image1,
        np.array(points[:, None], np.float32, order='C'),
        np.array(start[:, None], np.float32, order='C'),
        winSize=(options.window, options.window),
        maxLevel=options.levels,
        criteria=(until, options.iterations, options.least_step),
        flags=flags,
        minEigThreshold=options.least_eigenvalue,
    )
    return moved[:, 0], found[:, 0] > 0, dissimilarity[:, 0]
