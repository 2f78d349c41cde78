# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Local contrast normalisation: pictures of a place are alike whatever the exposure."""

from __future__ import annotations

import threading

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
    grey, mean, gain, _ = _scratch(image.shape)
    np.copyto(grey, image)
    _mean_and_gain(grey, mean, gain)
    grey -= mean
    grey *= gain
    grey += 128.0
    np.maximum(grey, 0.0, out=grey)
    return cv2.convertScaleAbs(grey)


def contrast_gain(image: np.ndarray) -> np.ndarray:
    """Return the local gain of ``normalise_contrast``, (H, W) float32."""
    gain = np.empty(image.shape, np.float32)
    _mean_and_gain(image.astype(np.float32, copy=False), _scratch(image.shape)[1], gain)
    return gain


def _mean_and_gain(grey: np.ndarray, mean: np.ndarray, gain: np.ndarray) -> None:
    """Write mean and gain around each pixel of a picture into (H, W) float32."""
    window = (_WINDOW, _WINDOW)
    cv2.boxFilter(grey, cv2.CV_32F, window, dst=mean)
    cv2.sqrBoxFilter(grey, cv2.CV_32F, window, dst=gain)
    squared = _scratch(grey.shape)[3]
    np.multiply(mean, mean, out=squared)
    gain -= squared
    np.maximum(gain, 0.0, out=gain)
    np.sqrt(gain, out=gain)
    gain += _FLOOR
    np.divide(_CONTRAST, gain, out=gain)


class _Scratch(threading.local):
    """Pictures to compute in, of each thread its own.

    Memory for a new one comes from the system page by page, which takes longer than the work.
    """

    pictures: np.ndarray | None = None


_SCRATCH = _Scratch()


def _scratch(shape: tuple[int, ...]) -> np.ndarray:
    """(4, H, W) float32 with anything in it; the same memory each time."""
    if _SCRATCH.pictures is None or _SCRATCH.pictures.shape[1:] != shape:
        _SCRATCH.pictures = np.empty((4, *shape), np.float32)
    return _SCRATCH.pictures
