# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Painted surfaces of streets, to scale: houses, vehicles, hedges and the sky.

The painters have the signature that ``materials`` describes.
"""

from __future__ import annotations

import itertools

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
    word,
)
from loftr_vo.synthetic.materials import masonry, plaster
from loftr_vo.synthetic.painters import dead_leaves, foliage


def facade(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """The front of a house: masonry, storeys of windows, a shop with its sign below."""
    height, width = size
    brick = rng.random() < 0.5
    wall = masonry(rng, size, scale) if brick else plaster(rng, size, scale, rng.uniform(0.4, 0.8))
    storey, ground = int(rng.uniform(2.9, 3.4) * scale), int(3.8 * scale)
    columns = max(2, round(width / (rng.uniform(1.9, 2.8) * scale)))
    trim = rng.uniform(0.55, 0.95)
    pane_size = (int(0.55 * storey), int(0.5 * width / columns))
    for bottom in range(height - ground, pane_size[0], -storey):
        cv2.line(wall, (0, bottom), (width, bottom), trim, max(1, int(0.12 * scale)))
        for column in range(columns):
            middle = int((column + 0.5) * width / columns)
            _window_in_wall(wall, rng, (middle, bottom - int(0.15 * storey)), pane_size, trim)
    _shop(wall[height - ground :], rng, scale)
    # Rain leaves its tracks below sills, and dirt gathers above the pavement.
    streaks = cv2.resize(rng.normal(0, 0.05, (4, width)), (width, height))
    streaks = streaks + 0.1 * (clouds(rng, size) - 0.5)
    wall[: int(0.3 * scale)] = 0.3
    return finished(wall + streaks)


def vehicle_side(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """The side of a parked van: windows, doors, wheels, lettering."""
    height, width = size
    paint = float(rng.choice([0.15, 0.35, 0.6, 0.85]))
    body = np.full(size, paint, np.float32) + 0.08 * (clouds(rng, size) - 0.5)
    line = max(1, int(0.02 * scale))
    for left, right in ((0.06, 0.3), (0.36, 0.6), (0.66, 0.94)):
        corner = (int(left * width), int(0.12 * height))
        end = (int(right * width), int(0.42 * height))
        glass = body[corner[1] : end[1], corner[0] : end[0]]
        glass[:] = 0.12 + 0.4 * clouds(rng, (glass.shape[0], glass.shape[1])) ** 2
        cv2.rectangle(body, corner, end, 0.05, line, cv2.LINE_AA)
    for x in (0.33, 0.63):
        cv2.line(
            body, (int(x * width), height // 12), (int(x * width), height), 0.5 - paint / 2, line
        )
    place, extent = (int(0.1 * width), int(0.5 * height)), (int(0.7 * width), height // 6)
    fit_text(body, word(rng), place, extent, 1.0 - paint)
    for x in (0.17, 0.82):
        centre, radius = (int(x * width), int(0.88 * height)), int(0.2 * height)
        cv2.circle(body, centre, radius, 0.04, -1, cv2.LINE_AA)
        cv2.circle(body, centre, radius * 3 // 5, 0.6, -1, cv2.LINE_AA)
        cv2.circle(body, centre, radius // 5, 0.2, -1, cv2.LINE_AA)
    return finished(body + grain(rng, size, 0.015))


def vehicle_end(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """The front or back of a van: a screen, lamps, a number plate, a bumper."""
    height, width = size
    body = np.full(size, rng.uniform(0.2, 0.8), np.float32) + 0.08 * (clouds(rng, size) - 0.5)
    glass = body[int(0.1 * height) : int(0.46 * height), int(0.08 * width) : int(0.92 * width)]
    glass[:] = 0.1 + 0.5 * clouds(rng, (glass.shape[0], glass.shape[1])) ** 2
    border(glass, max(1, int(0.02 * scale)), 0.05)
    body[int(0.74 * height) : int(0.88 * height)] = 0.18
    body[int(0.88 * height) :] = 0.05
    for x in (0.14, 0.86):
        lamp = (int(x * width), int(0.63 * height))
        axes = (int(0.1 * width), int(0.06 * height))
        cv2.ellipse(body, lamp, axes, 0, 0, 360, 0.95, -1)
        cv2.ellipse(body, lamp, axes, 0, 0, 360, 0.2, 1)
    plate = np.full((int(0.09 * height), int(0.36 * width)), 0.9, np.float32)
    inset = (plate.shape[1] // 12, len(plate) // 5)
    fit_text(plate, word(rng), inset, (plate.shape[1] * 5 // 6, len(plate) * 3 // 5), 0.1)
    top, left = int(0.77 * height), int(0.32 * width)
    body[top : top + len(plate), left : left + plate.shape[1]] = plate
    return finished(body + grain(rng, size, 0.015))


def hedge(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Clipped leaves, with light on top and gaps."""
    leaves = cropped(foliage(rng, max(size)), size)
    return finished(leaves * (0.55 + 0.7 * clouds(rng, size)))


def sky(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Clouds, brighter towards the horizon, over a far row of roofs and trees."""
    height, width = size
    heaven = 0.62 + 0.33 * clouds(rng, size) + np.linspace(-0.1, 0.1, height)[:, None]
    skyline = height - height * (0.12 + 0.1 * clouds(rng, (1, width))[0])
    skyline += np.repeat(rng.uniform(0, 0.06, width // 9 + 1) * height, 9)[:width]
    far = np.arange(height)[:, None] > skyline
    return finished(np.where(far, 0.32 + 0.3 * clouds(rng, size), heaven))


def _window_in_wall(
    wall: np.ndarray, rng: Rng, foot: tuple[int, int], size: Size, trim: float
) -> None:
    """One window whose sill's middle is ``foot``, (x, y)."""
    height, width = size
    x, y = foot[0] - width // 2, foot[1] - height
    pane = wall[max(y, 0) : y + height, max(x, 0) : x + width]
    if pane.shape[0] < 6 or pane.shape[1] < 6:
        return
    pane[:] = 0.08 + 0.35 * clouds(rng, (pane.shape[0], pane.shape[1])) ** 2
    if rng.random() < 0.6:  # a curtain or a blind
        pane[: int(len(pane) * rng.uniform(0.15, 0.9))] += rng.uniform(0.15, 0.5)
    middle = pane.shape[1] // 2
    pane[:, middle : middle + 2] = trim
    pane[len(pane) // 3 : len(pane) // 3 + 2] = trim
    border(pane, 2, trim)
    cv2.rectangle(wall, (x - 3, foot[1]), (x + width + 3, foot[1] + 3), trim, -1)
    cv2.line(wall, (x - 3, foot[1] + 5), (x + width + 3, foot[1] + 5), 0.12, 2)


def _shop(front: np.ndarray, rng: Rng, scale: float) -> None:
    """Sign, display windows and a door, drawn on the ground floor of a house."""
    height, width = front.shape
    base = rng.uniform(0.2, 0.6)
    front[:] = base + grain(rng, (height, width), 0.03)
    sign = (int(0.06 * width), int(0.1 * height)), (int(0.94 * width), int(0.28 * height))
    ground, ink = (0.1, 0.92) if rng.random() < 0.5 else (0.9, 0.1)
    cv2.rectangle(front, *sign, ground, -1)
    inset = (sign[0][0] + int(0.3 * scale), sign[0][1] + int(0.12 * height) // 3)
    fit_text(front, word(rng), inset, (int(0.7 * width), int(0.12 * height)), ink)
    shares = np.sort(rng.uniform(0.1, 0.9, 2))
    edges = [0.05, *shares.tolist(), 0.95]
    for left, right in itertools.pairwise(edges):
        x0, x1 = int(left * width) + 3, int(right * width) - 3
        opening = front[int(0.36 * height) : int(0.93 * height), x0:x1]
        if opening.shape[1] < 8:
            continue
        content = cropped(dead_leaves(rng, max(opening.shape)), (opening.shape[0], x1 - x0))
        opening[:] = 0.1 + 0.6 * content
        border(opening, 2, 0.8)
