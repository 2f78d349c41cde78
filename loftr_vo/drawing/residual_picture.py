# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A picture of a calibration's residuals: where corners were found, and how far off they are."""

from __future__ import annotations

import cv2
import numpy as np

from loftr_vo.drawing.caption import caption

_ENLARGED = 100.0  # a residual of 0.1 px is drawn 10 px long
_WIDEST = 1280  # pixels
_GREY, _ORANGE = (90, 90, 90), (72, 145, 255)  # BGR


def draw_residuals(
    corners: np.ndarray, residuals: np.ndarray, size: tuple[int, int], lines: list[str]
) -> np.ndarray:
    """Return a (h, w, 3) uint8 picture of the view's plane.

    Args:
        corners: (..., 2) pixels, where corners were found.
        residuals: (..., 2) pixels, corner found minus corner predicted; drawn a hundredfold.
        size: width and height of the camera's pictures.
        lines: written above it.
    """
    shrink = min(1.0, _WIDEST / size[0])
    canvas = np.full((round(size[1] * shrink), round(size[0] * shrink), 3), 32, np.uint8)
    start = corners.reshape(-1, 2) * shrink
    end = start + residuals.reshape(-1, 2) * shrink * _ENLARGED
    for first, last in zip(start.round().astype(int), end.round().astype(int), strict=True):
        cv2.circle(canvas, first.tolist(), 2, _GREY, -1, cv2.LINE_AA)
        cv2.line(canvas, first.tolist(), last.tolist(), _ORANGE, 1, cv2.LINE_AA)
    return np.vstack([caption(lines, canvas.shape[1]), canvas])
