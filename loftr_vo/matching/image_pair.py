# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""One pair of pictures, matched as the odometry matches a keyframe and a frame."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from loftr_vo.imaging.contrast_normalisation import normalise_contrast
from loftr_vo.matching.lucas_kanade import locate, texture_at
from loftr_vo.matching.matcher import Matcher
from loftr_vo.matching.matches import Matches


def match_and_refine(
    matcher: Matcher, image0: np.ndarray, image1: np.ndarray, *, refine: bool = True
) -> Matches:
    """Match two pictures.

    Args:
        matcher: the network.
        image0: (H0, W0) uint8.
        image1: (H1, W1) uint8.
        refine: locate the matches on the full pictures (``lucas_kanade``); False keeps the
            network's positions.

    Returns:
        The matches, the most confident first, in pixels of the pictures given.

    Raises:
        PictureError: a picture too small to match.
    """
    matches = matcher.match(matcher.encode(image0), matcher.encode(image1)).result()
    if not refine:
        return matches
    padded0, padded1 = _of_one_size(image0, image1)
    texture = texture_at(image0, matches.keypoints0)
    located = locate(normalise_contrast(padded0), texture, normalise_contrast(padded1), matches)
    return dataclasses.replace(matches, keypoints1=located.points.astype(np.float32))


def _of_one_size(image0: np.ndarray, image1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pad both pictures to a common size by repeating edge pixels, as Lucas-Kanade requires."""
    height, width = np.maximum(image0.shape, image1.shape).tolist()
    padded0, padded1 = (
        cv2.copyMakeBorder(
            image, 0, height - image.shape[0], 0, width - image.shape[1], cv2.BORDER_REPLICATE
        )
        for image in (image0, image1)
    )
    return padded0, padded1
