# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Why a picture cannot be matched, as far as the picture itself tells."""

from __future__ import annotations

import cv2
import numpy as np

_BLACK = 12.0  # grey level; 95 % of the pixels of a covered lens lie under it
_BLANK = 3.0  # grey levels, standard deviation
_BLURRED = 0.15  # sharpness as a share of the reference picture's


def complaint(image: np.ndarray, reference: np.ndarray) -> str:
    """Say what is wrong with ``image``; empty where nothing is seen to be.

    Args:
        image, reference: (H, W) uint8; the reference was good to match.
    """
    if empty := emptiness(image):
        return empty
    if sharpness(image) < _BLURRED * sharpness(reference):
        return 'the picture is blurred'
    return ''


def emptiness(image: np.ndarray) -> str:
    """Say why nothing can be seen in an (H, W) uint8 picture; empty where something can."""
    if np.percentile(image, 95) < _BLACK:
        return 'the picture is black: lens covered or no light'
    if float(image.std()) < _BLANK:
        return 'the picture is blank: nothing in it to match'
    return ''


def sharpness(image: np.ndarray) -> float:
    """Variance of the Laplacian over that of the picture; contrast cancels."""
    variance = float(image.var())
    return float(cv2.Laplacian(image, cv2.CV_32F).var()) / max(variance, 1e-6)
