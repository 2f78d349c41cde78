# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a scene whose depth and camera motion are known exactly."""

import cv2
import numpy as np

WIDTH, HEIGHT, FOCAL = 320, 240, 260.0
K = [FOCAL, 0.0, WIDTH / 2, 0.0, FOCAL, HEIGHT / 2, 0.0, 0.0, 1.0]
# Horizontal strips of the picture, each a wall facing the camera at its own depth.
DEPTHS = (2.0, 3.0, 4.0, 2.5)
STEP = 0.05


def sideways_view(index):
    """Return the (H, W) uint8 picture of a camera that went ``index * STEP`` to the right."""
    rows = HEIGHT // len(DEPTHS)
    strips = []
    for number, depth in enumerate(DEPTHS):
        shift = FOCAL * index * STEP / depth
        window = np.array([[1.0, 0.0, shift], [0.0, 1.0, 0.0]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        strips.append(cv2.warpAffine(_wall(number, rows), window, (WIDTH, rows), flags=flags))
    return np.vstack(strips)


def _wall(number, rows):
    generator = np.random.default_rng(number)
    wall = np.zeros((rows, 4 * WIDTH), np.float32)
    for sigma, weight in ((1.5, 1.0), (4.0, 2.0), (10.0, 4.0)):
        noise = generator.normal(size=wall.shape).astype(np.float32)
        wall += weight * cv2.GaussianBlur(noise, (0, 0), sigma) * sigma
    return cv2.normalize(wall, None, 10, 245, cv2.NORM_MINMAX).astype(np.uint8)
