# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Reasons in the picture itself why it cannot be matched: dark, blank, covered, blurred."""

from __future__ import annotations

import cv2
import numpy as np

from loftr_vo.geometry.robust_cost import median

_BLACK = 12.0  # grey level; 95 % of the pixels of a covered lens lie under it
_WHITE = 243.0  # the same for too much light
_BLANK = 3.0  # grey levels, standard deviation
_BLURRED = 0.15  # sharpness as a share of the reference picture's
# Where something is in front of the lens nothing is left of what a picture is made of, and that is
# looked for at the scale between these, in pixels of a picture 320 wide: blur leaves it, light
# that falls off across the cover does not reach it.
_FINER, _COARSER = 4.0, 10.0
_OVERVIEW = (320, 240)
_BLOCKS = (8, 6)
_NOTHING = 0.08  # share of what the reference has, in median
_COVERED = 0.5  # share of the view
# White noise of variance one has this variance under the Laplacian of OpenCV.
_LAPLACIAN_NOISE = 20.0
# Immerkær (Fast Noise Variance Estimation, 1996): no response to straight edges, and six standard
# deviations of the noise elsewhere.
_NOISE_GAIN = 6
_NOISE_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def quality_problem(image: np.ndarray, reference: np.ndarray) -> str:
    """Say what is wrong with ``image``; empty where nothing is seen to be.

    Args:
        image, reference: (H, W) uint8; the reference was good to match.
    """
    if empty := empty_image_reason(image):
        return empty
    if (share := hidden(image, reference)) > _COVERED:
        return f'covered: {share:.0%} of the view shows nothing'
    # A blurred picture shows what is noise; a sharp one has texture that passes for it.
    noise = min(noise_of(image), noise_of(reference))
    if sharpness(image, noise) < _BLURRED * sharpness(reference, noise):
        return 'blur: the picture is blurred'
    return ''


def empty_image_reason(image: np.ndarray) -> str:
    """Say why nothing can be seen in an (H, W) uint8 picture; empty where something can."""
    dark, bright = np.percentile(image, [5, 95])
    if bright < _BLACK:
        return 'covered: the picture is black, the lens is covered or there is no light'
    if dark > _WHITE:
        return 'blank: the picture is white, there is too much light'
    if float(image.std()) < _BLANK:
        return 'blank: the picture has nothing in it to match'
    return ''


def hidden(image: np.ndarray, reference: np.ndarray) -> float:
    """Share of what the reference sees that ``image`` does not, being smooth there."""
    seen, before = _detail(image), _detail(reference)
    nothing = _NOTHING * float(np.median(before))
    return float(1 - np.mean(seen > nothing) / max(float(np.mean(before > nothing)), 1e-6))


def sharpness(image: np.ndarray, noise: float = 0.0) -> float:
    """Variance of the Laplacian over that of the picture; contrast cancels.

    Args:
        image: (H, W) uint8.
        noise: standard deviation in grey levels, whose part is taken off.
    """
    edges = float(cv2.Laplacian(image, cv2.CV_32F).var()) - _LAPLACIAN_NOISE * noise**2
    return max(edges, 0.0) / max(float(image.var()), 1e-6)


def noise_of(image: np.ndarray) -> float:
    """Standard deviation of a picture's noise in grey levels (Immerkær 1996, with a median)."""
    response = np.abs(cv2.filter2D(image, cv2.CV_32F, _NOISE_MASK))
    # The median of a normal variable's absolute value is 0.6745 of its standard deviation.
    return median(response.ravel()) / (_NOISE_GAIN * 0.6745)


def _detail(image: np.ndarray) -> np.ndarray:
    """Root mean square, block by block, of what is neither fine nor coarse."""
    small = cv2.resize(image, _OVERVIEW, interpolation=cv2.INTER_AREA).astype(np.float32)
    band = cv2.GaussianBlur(small, (0, 0), _FINER) - cv2.GaussianBlur(small, (0, 0), _COARSER)
    detail: np.ndarray = np.sqrt(cv2.resize(band**2, _BLOCKS, interpolation=cv2.INTER_AREA))
    return detail
