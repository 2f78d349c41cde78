# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Painted surfaces of rooms and streets, to scale.

Every painter takes a generator, the size (H, W) in texels and the scale in texels per metre, and
returns (H, W) float32 in [0, 1] with detail from the whole surface down to a few texels.
"""

from __future__ import annotations

import cv2
import numpy as np

from loftr_vo.synthetic.brush import Rng, Size, area, clouds, finished, grain, place


def plaster(rng: Rng, size: Size, scale: float, tone: float = 0.72) -> np.ndarray:
    """A painted wall: soft stains, roller marks, scuffs, a few cracks."""
    wall = tone + 0.16 * (clouds(rng, size) - 0.5) + grain(rng, size, 0.018)
    for _ in range(int(3 * area(size, scale))):
        x, y = place(rng, size)
        length = rng.uniform(0.02, 0.10) * scale
        angle = rng.uniform(0, 2 * np.pi)
        end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
        cv2.line(wall, (x, y), end, tone + rng.uniform(-0.3, 0.1), 1, cv2.LINE_AA)
    for _ in range(int(0.35 * area(size, scale)) + 1):
        crack(wall, rng, scale, tone - 0.3)
    return finished(wall)


def papered_wall(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A wall with printed paper above a panelled dado, and a skirting board."""
    wall = plaster(rng, size, scale, rng.uniform(0.58, 0.72))
    height, width = size
    # No two prints of a motif come out alike: ink and paper vary as they do in old houses.
    step = int(rng.uniform(0.28, 0.4) * scale)
    motif = _leaf_motif(rng, int(0.8 * step))
    for row, y in enumerate(range(0, height - step, step)):
        for x in range((row % 2) * step // 2, width - step, step):
            ink = rng.uniform(0.08, 0.3)
            part = wall[y : y + motif.shape[0], x : x + motif.shape[1]]
            part -= ink * motif[: part.shape[0], : part.shape[1]]
    dado = height - int(0.85 * scale)
    planks_below = panelling(rng, (height - dado, width), scale)
    wall[dado:] = planks_below
    wall[dado - int(0.05 * scale) : dado] = 0.3 + grain(rng, (int(0.05 * scale), width), 0.05)
    wall[height - int(0.1 * scale) :] *= 0.6
    return finished(wall)


def panelling(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Upright boards."""
    return np.ascontiguousarray(planks(rng, size[::-1], scale, breadth=0.16).T)


def planks(rng: Rng, size: Size, scale: float, breadth: float = 0.14) -> np.ndarray:
    """Boards that run across the picture, each with a tone and a grain of its own."""
    height, width = size
    floor = np.empty(size, np.float32)
    board = max(3, int(breadth * scale))
    for y in range(0, height, board):
        rows = min(board, height - y)
        x = -int(rng.uniform(0, 1.2) * scale)
        while x < width:
            length = int(rng.uniform(0.7, 1.8) * scale)
            left, right = max(x, 0), min(x + length, width)
            if right > left:
                floor[y : y + rows, left:right] = _board(rng, (rows, right - left))
                floor[y : y + rows, left : left + 1] = 0.1
            x += length
        floor[y : y + 1] = 0.1
    return finished(floor + 0.1 * (clouds(rng, size) - 0.5))


def ceiling(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Whitewash between dark beams, with stains."""
    whitewash = plaster(rng, size, scale, 0.85)
    beam, step = int(0.14 * scale), int(1.1 * scale)
    for x in range(step // 2, size[1] - beam, step):
        whitewash[:, x : x + beam] = panelling(rng, (size[0], beam), scale) * 0.7
        whitewash[:, x + beam : x + beam + int(0.05 * scale)] *= 0.8
    return finished(whitewash)


def masonry(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Brickwork in stretcher bond."""
    tall, wide = max(3, 0.16 * scale), max(5, 0.42 * scale)
    y = np.arange(size[0], dtype=np.float32)[:, None]
    x = np.arange(size[1], dtype=np.float32)
    row = (y / tall).astype(np.int32)
    along = x / wide + np.float32(0.5) * (row % 2)
    column = along.astype(np.int32)
    tones = rng.normal(rng.uniform(0.35, 0.5), 0.09, (row.max() + 1, column.max() + 1))
    wall = tones.astype(np.float32)[row, column]
    wall[(y % tall < 1) | ((along - column) * wide < 1)] = 0.68
    return finished(wall + 0.15 * (clouds(rng, size) - 0.5))


def _board(rng: Rng, size: Size) -> np.ndarray:
    """Wood: a tone, streaks along the length, now and then a knot."""
    streaks = cv2.resize(rng.normal(0, 0.06, (size[0], max(2, size[1] // 24))), size[::-1])
    wood = (rng.uniform(0.3, 0.62) + streaks.reshape(size)).astype(np.float32)
    if rng.random() < 0.4 and min(size) > 6:
        x, y = place(rng, size)
        cv2.ellipse(wood, (x, y), (size[0] // 4, size[0] // 7), 0, 0, 360, 0.15, -1, cv2.LINE_AA)
    return wood


def crack(wall: np.ndarray, rng: Rng, scale: float, tone: float) -> None:
    """Draw a random crack."""
    point = np.array(place(rng, (wall.shape[0], wall.shape[1])), float)
    heading = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(6, 25))):
        heading += rng.normal(0, 0.5)
        end = point + 0.03 * scale * np.array([np.cos(heading), np.sin(heading)])
        cv2.line(wall, point.astype(int).tolist(), end.astype(int).tolist(), tone, 1, cv2.LINE_AA)
        point = end


def _leaf_motif(rng: Rng, side: int) -> np.ndarray:
    motif = np.zeros((side, side), np.float32)
    for _ in range(9):
        centre = rng.integers(side // 5, side * 4 // 5, 2).tolist()
        axes = (max(2, int(side * rng.uniform(0.08, 0.2))), max(1, int(side * 0.05)))
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(motif, centre, axes, angle, 0, 360, 1.0, -1, cv2.LINE_AA)
    return motif
