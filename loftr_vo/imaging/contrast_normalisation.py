# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Local contrast normalisation: pictures of a place are alike whatever the exposure."""

from __future__ import annotations

import cv2
import numpy as np

_WINDOW = 31  # pixels; twice that of Lucas-Kanade, so that what it compares keeps its shape
_CONTRAST = 40.0  # grey levels, the standard deviation that every place is brought to
# Grey levels added to each place's standard deviation, so that noise on a blank wall does not
# become as strong as texture. The more, the less alike are a bright and a dark picture of a place.
_FLOOR = 2.0


def normalise_contrast(image: np.ndarray) -> np.ndarray:
    """Bring mean and contrast around each pixel to the same values everywhere.

    Cameras that set their own exposure, vignettes, shadows and lamps change both slowly across a
    picture. Lucas-Kanade compares grey values as they are and takes such a change for motion, or
    finds nothing.

    Args:
        image: (H, W) uint8.

    Returns:
        (H, W) uint8, around 128.
    """
    grey = image.astype(np.float32)
    mean, gain = _mean_and_gain(grey)
    normalised = (grey - mean) * gain + 128.0
    return cv2.convertScaleAbs(np.maximum(normalised, 0.0))


def contrast_gain(image: np.ndarray) -> np.ndarray:
    """Return the local gain of ``normalise_contrast``, (H, W) float32."""
    return _mean_and_gain(image.astype(np.float32, copy=False))[1]


def _mean_and_gain(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = cv2.boxFilter(grey, cv2.CV_32F, (_WINDOW, _WINDOW))
    square = cv2.sqrBoxFilter(grey, cv2.CV_32F, (_WINDOW, _WINDOW))
    deviation = np.sqrt(np.maximum(square - mean * mean, 0.0))
    return mean, _CONTRAST / (deviation + _FLOOR)
