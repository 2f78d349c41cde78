# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the painters of surfaces have in common: grain, clouds, borders, text.

Pictures are (H, W) float32 in [0, 1]; sizes are (H, W) in texels.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from loftr_vo.synthetic.painters import fractal_noise

Painter = Callable[[np.random.Generator, tuple[int, int], float], np.ndarray]

Rng = np.random.Generator

Size = tuple[int, int]

_FONT = cv2.FONT_HERSHEY_DUPLEX


def clouds(rng: Rng, size: Size) -> np.ndarray:
    """Return fractal noise (H, W) float32 in [0, 1]; very large ones are enlarged."""
    side = max(size)
    if side <= 1024:
        return cropped(fractal_noise(rng, side), size)
    clouds = fractal_noise(rng, 1024).astype(np.float32)
    return cv2.resize(clouds, (side, side), interpolation=cv2.INTER_LINEAR)[: size[0], : size[1]]


def grain(rng: Rng, size: Size, deviation: float) -> np.ndarray:
    """Return noise (H, W) float32 of a standard deviation."""
    return rng.normal(0, deviation, size).astype(np.float32)


def cropped(square: np.ndarray, size: Size) -> np.ndarray:
    """Return the (H, W) corner of a square, as float32."""
    return square[: size[0], : size[1]].astype(np.float32)


def finished(picture: np.ndarray) -> np.ndarray:
    """Return a picture clipped to what a painted surface reflects."""
    return np.clip(picture, 0.02, 0.98).astype(np.float32)


def area(size: Size, scale: float) -> float:
    """Return the square metres of a surface."""
    return size[0] * size[1] / scale**2


def place(rng: Rng, size: Size) -> tuple[int, int]:
    """Return a random texel (x, y)."""
    return int(rng.integers(0, size[1])), int(rng.integers(0, size[0]))


def border(picture: np.ndarray, breadth: int, tone: float) -> None:
    """Paint the outermost ``breadth`` texels with one tone."""
    picture[:breadth] = picture[-breadth:] = tone
    picture[:, :breadth] = picture[:, -breadth:] = tone


def word(rng: Rng) -> str:
    """Return a made-up word in capitals."""
    syllables = ('ba', 'do', 'fi', 'ga', 'ko', 'lu', 'mer', 'nor', 'pil', 'ra', 'ston', 'ten')
    return ''.join(rng.choice(syllables, int(rng.integers(2, 4)))).upper()


def sentence(rng: Rng) -> str:
    """Return some made-up words."""
    return ' '.join(word(rng).lower() for _ in range(int(rng.integers(3, 6))))


def fit_text(
    picture: np.ndarray, text: str, corner: tuple[int, int], extent: tuple[int, int], tone: float
) -> None:
    """Write ``text`` as large as fits the (width, height) right of and below ``corner``."""
    (width, height), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    size = min(extent[0] / width, extent[1] / height)
    thickness = max(1, round(2.2 * size))
    foot = (corner[0], corner[1] + int(height * size))
    # OpenCV writes on 8-bit pictures only.
    ink = np.zeros(picture.shape, np.uint8)
    cv2.putText(ink, text, foot, _FONT, size, 255, thickness, cv2.LINE_AA)
    picture += (ink / 255.0) * (tone - picture)
