# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Painted surfaces of furniture and of what hangs on walls, to scale.

The painters have the signature that ``materials`` describes.
"""

from __future__ import annotations

import cv2
import numpy as np

from loftr_vo.synthetic.brush import (
    Rng,
    Size,
    border,
    clouds,
    cropped,
    finished,
    fit_text,
    grain,
    place,
    sentence,
    word,
)
from loftr_vo.synthetic.materials import crack, panelling, planks
from loftr_vo.synthetic.painters import dead_leaves, foliage, writing


def painting(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A framed picture: shapes, a landscape or a photograph's clutter, behind a mount."""
    inside = cropped(dead_leaves(rng, max(size)), size)
    if rng.random() < 0.4:
        horizon = int(size[0] * rng.uniform(0.35, 0.65))
        inside = 0.25 + 0.75 * clouds(rng, size)
        inside[horizon:] = 0.6 * cropped(foliage(rng, max(size)), size)[horizon:]
    frame, mount = max(2, int(0.035 * scale)), max(2, int(rng.uniform(0.02, 0.07) * scale))
    dark = rng.random() < 0.6
    border(inside, mount + frame, 0.9 if dark else 0.75)
    border(inside, frame, 0.12 if dark else 0.45)
    border(inside, max(1, frame // 3), 0.3)
    return finished(inside + grain(rng, size, 0.02))


def poster(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A printed sheet: a headline, a block of pictures, lines of small type."""
    sheet = np.full(size, rng.uniform(0.75, 0.95), np.float32)
    height, width = size
    ink = rng.uniform(0.02, 0.2)
    top = height // 4
    fit_text(sheet, word(rng), (width // 12, height // 18), (width * 5 // 6, top // 2), ink)
    block = (height * 2 // 5, width * 5 // 6)
    sheet[top : top + block[0], width // 12 : width // 12 + block[1]] = cropped(
        (dead_leaves if rng.random() < 0.6 else writing)(rng, max(block)), block
    )
    line = max(4, height // 28)
    for y in range(top + block[0] + line, height - line, line):
        fit_text(sheet, sentence(rng), (width // 12, y), (width * 5 // 6, max(2, line // 2)), ink)
    return finished(sheet + grain(rng, size, 0.015))


def books(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A bookcase from the front: boards, and books of all breadths and tones with titles."""
    shelf = np.full(size, 0.07, np.float32)
    height, width = size
    rise, board = int(0.34 * scale), max(2, int(0.025 * scale))
    for bottom in range(height - board, rise // 2, -rise):
        x = board
        while x < width - board:
            breadth = max(2, int(rng.uniform(0.018, 0.06) * scale))
            tall = int(rise * rng.uniform(0.6, 0.88))
            if rng.random() < 0.08:
                x += int(rng.uniform(0.03, 0.15) * scale)
                continue
            right = min(x + breadth, width - board)
            _book(shelf[max(0, bottom - tall) : bottom, x:right], rng)
            x = right
        shelf[bottom : bottom + board] = 0.5 + grain(rng, (board, width), 0.06)
    border(shelf, board, 0.45)
    return finished(shelf)


def drawers(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A wooden front divided into drawers and doors with knobs."""
    front = planks(rng, size, scale, 0.3) * rng.uniform(0.6, 1.0)
    height, width = size
    rows, columns = max(1, round(height / (0.3 * scale))), max(1, round(width / (0.5 * scale)))
    for row in range(rows):
        for column in range(columns):
            left, right = width * column // columns, width * (column + 1) // columns
            upper, lower = height * row // rows, height * (row + 1) // rows
            inset = max(2, int(0.02 * scale))
            corner, end = (left + inset, upper + inset), (right - inset, lower - inset)
            cv2.rectangle(front, corner, end, 0.12, max(1, int(0.008 * scale)), cv2.LINE_AA)
            knob = ((left + right) // 2, (upper + lower) // 2)
            cv2.circle(front, knob, max(2, int(0.018 * scale)), 0.9, -1, cv2.LINE_AA)
            cv2.circle(front, knob, max(1, int(0.008 * scale)), 0.3, -1, cv2.LINE_AA)
    return finished(front)


def rug(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A woven rug: bands along the edge, medallions within, no two alike."""
    cloth = np.full(size, rng.uniform(0.3, 0.45), np.float32)
    height, width = size
    for band in range(5, 0, -1):
        border(cloth, int(band * 0.06 * scale), float(rng.uniform(0.1, 0.9)))
    margin, step = int(0.3 * scale), int(0.32 * scale)
    for y in range(margin + step // 2, height - margin, step):
        for x in range(margin + step // 2, width - margin, step):
            _medallion(cloth, rng, (x, y), 0.46 * step)
    thread = 0.06 * np.sin(np.arange(height) * 2 * np.pi / 4)[:, None]
    return finished(cloth + thread + grain(rng, size, 0.05) + 0.12 * (clouds(rng, size) - 0.5))


def fabric(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Upholstery: checked cloth with seams and wear."""
    y, x = np.mgrid[: size[0], : size[1]] / scale
    tone, period = rng.uniform(0.3, 0.6), rng.uniform(0.1, 0.2)
    check = 0.12 * (np.sin(2 * np.pi * x / period) > 0.3) + 0.1 * (
        np.sin(2 * np.pi * y / period) > 0.3
    )
    cloth = (tone + check).astype(np.float32) + 0.25 * (clouds(rng, size) - 0.5)
    for _ in range(3):
        x0, y0 = place(rng, size)
        cv2.ellipse(cloth, (x0, y0), (int(0.2 * scale), 3), 20, 0, 180, tone - 0.2, 1, cv2.LINE_AA)
    cv2.line(cloth, (size[1] // 2, 0), (size[1] // 2, size[0]), 0.15, 2, cv2.LINE_AA)
    return finished(cloth + grain(rng, size, 0.04))


def carton(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Cardboard with tape, a label, stamps and dents."""
    board = 0.5 + 0.14 * (clouds(rng, size) - 0.5) + grain(rng, size, 0.025)
    height, width = size
    tape = max(2, int(0.05 * scale))
    board[:, width // 2 - tape // 2 : width // 2 + tape // 2] += 0.18
    label_height, label_width = height * 2 // 5, width * 2 // 5
    y, x = int(rng.uniform(0.1, 0.5) * height), int(rng.uniform(0.05, 0.5) * width)
    label = poster(rng, (label_height, label_width), scale)
    board[y : y + label_height, x : x + label_width] = label
    fit_text(board, word(rng), (width // 10, height * 4 // 5), (width // 2, height // 8), 0.15)
    for _ in range(4):
        crack(board, rng, scale, 0.3)
    return finished(board)


def door(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A panelled door in its frame."""
    wood = panelling(rng, size, scale) * 0.9
    height, width = size
    frame = max(2, int(0.07 * scale))
    for low, high in ((0.12, 0.48), (0.56, 0.92)):
        for left, right in ((0.17, 0.46), (0.54, 0.83)):
            corner = (int(left * width), int(low * height))
            end = (int(right * width), int(high * height))
            cv2.rectangle(wood, corner, end, 0.1, max(1, int(0.012 * scale)), cv2.LINE_AA)
            cv2.line(wood, (corner[0], end[1] + 2), (end[0], end[1] + 2), 0.8, 1, cv2.LINE_AA)
    border(wood, frame, 0.85)
    handle = (int(0.87 * width), int(0.52 * height))
    cv2.circle(wood, handle, max(2, int(0.03 * scale)), 0.95, -1, cv2.LINE_AA)
    return finished(wood)


def window(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Panes with trees and sky behind them."""
    height, width = size
    view = 0.75 + 0.25 * clouds(rng, size)
    leaves = cropped(foliage(rng, max(size)), size)
    crowns = clouds(rng, size) + np.linspace(-0.35, 0.45, height)[:, None] > 0.5
    view = np.where(crowns, 0.75 * leaves, view).astype(np.float32)
    bar = max(2, int(0.05 * scale))
    view[:, width // 2 - bar // 2 : width // 2 + bar // 2] = 0.92
    for y in (height // 3, height * 2 // 3):
        view[y - bar // 4 : y + bar // 4 + 1] = 0.92
    border(view, bar, 0.95)
    border(view, max(1, bar // 5), 0.3)
    return finished(view)


def _book(spine: np.ndarray, rng: Rng) -> None:
    tone = rng.uniform(0.1, 0.9)
    spine[:] = tone + grain(rng, (spine.shape[0], spine.shape[1]), 0.02)
    spine[:, :1] = 0.03
    height = len(spine)
    for share in rng.uniform(0.08, 0.92, int(rng.integers(1, 5))):
        y = int(share * height)
        spine[y : y + max(1, height // 20), 1:] = 1.0 - tone


def _medallion(cloth: np.ndarray, rng: Rng, centre: tuple[int, int], radius: float) -> None:
    corners = int(rng.choice([4, 6, 8]))
    turn = rng.uniform(0, np.pi)
    for share in (1.0, 0.72, 0.4):
        angles = turn + np.arange(corners) * 2 * np.pi / corners
        reach = radius * share * (1 - 0.35 * (np.arange(corners) % 2))
        points = np.array(centre) + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        tone = float(rng.uniform(0.05, 0.95))
        cv2.fillPoly(cloth, [points.astype(np.int32)], tone, cv2.LINE_AA)
