# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Painted surfaces of rooms and streets, to scale.

Every painter takes a generator, the size (H, W) in texels and the scale in texels per metre, and
returns (H, W) float32 in [0, 1] with detail from the whole surface down to a few texels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import cv2
import numpy as np

from loftr_vo.synthetic.painters import (
    dead_leaves,
    foliage,
    fractal_noise,
    writing,
)

Painter = Callable[[np.random.Generator, tuple[int, int], float], np.ndarray]
Rng = np.random.Generator
Size = tuple[int, int]

_FONT = cv2.FONT_HERSHEY_DUPLEX


def plaster(rng: Rng, size: Size, scale: float, tone: float = 0.72) -> np.ndarray:
    """A painted wall: soft stains, roller marks, scuffs, a few cracks."""
    wall = tone + 0.16 * (_clouds(rng, size) - 0.5) + _grain(rng, size, 0.018)
    for _ in range(int(3 * _area(size, scale))):
        x, y = _place(rng, size)
        length = rng.uniform(0.02, 0.10) * scale
        angle = rng.uniform(0, 2 * np.pi)
        end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
        cv2.line(wall, (x, y), end, tone + rng.uniform(-0.3, 0.1), 1, cv2.LINE_AA)
    for _ in range(int(0.35 * _area(size, scale)) + 1):
        _crack(wall, rng, scale, tone - 0.3)
    return _finished(wall)


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
    wall[dado - int(0.05 * scale) : dado] = 0.3 + _grain(rng, (int(0.05 * scale), width), 0.05)
    wall[height - int(0.1 * scale) :] *= 0.6
    return _finished(wall)


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
    return _finished(floor + 0.1 * (_clouds(rng, size) - 0.5))


def ceiling(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Whitewash between dark beams, with stains."""
    whitewash = plaster(rng, size, scale, 0.85)
    beam, step = int(0.14 * scale), int(1.1 * scale)
    for x in range(step // 2, size[1] - beam, step):
        whitewash[:, x : x + beam] = panelling(rng, (size[0], beam), scale) * 0.7
        whitewash[:, x + beam : x + beam + int(0.05 * scale)] *= 0.8
    return _finished(whitewash)


def painting(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A framed picture: shapes, a landscape or a photograph's clutter, behind a mount."""
    inside = _cropped(dead_leaves(rng, max(size)), size)
    if rng.random() < 0.4:
        horizon = int(size[0] * rng.uniform(0.35, 0.65))
        inside = 0.25 + 0.75 * _clouds(rng, size)
        inside[horizon:] = 0.6 * _cropped(foliage(rng, max(size)), size)[horizon:]
    frame, mount = max(2, int(0.035 * scale)), max(2, int(rng.uniform(0.02, 0.07) * scale))
    dark = rng.random() < 0.6
    _border(inside, mount + frame, 0.9 if dark else 0.75)
    _border(inside, frame, 0.12 if dark else 0.45)
    _border(inside, max(1, frame // 3), 0.3)
    return _finished(inside + _grain(rng, size, 0.02))


def poster(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A printed sheet: a headline, a block of pictures, lines of small type."""
    sheet = np.full(size, rng.uniform(0.75, 0.95), np.float32)
    height, width = size
    ink = rng.uniform(0.02, 0.2)
    top = height // 4
    _fit_text(sheet, _word(rng), (width // 12, height // 18), (width * 5 // 6, top // 2), ink)
    block = (height * 2 // 5, width * 5 // 6)
    sheet[top : top + block[0], width // 12 : width // 12 + block[1]] = _cropped(
        (dead_leaves if rng.random() < 0.6 else writing)(rng, max(block)), block
    )
    line = max(4, height // 28)
    for y in range(top + block[0] + line, height - line, line):
        _fit_text(
            sheet, _sentence(rng), (width // 12, y), (width * 5 // 6, max(2, line // 2)), ink
        )
    return _finished(sheet + _grain(rng, size, 0.015))


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
        shelf[bottom : bottom + board] = 0.5 + _grain(rng, (board, width), 0.06)
    _border(shelf, board, 0.45)
    return _finished(shelf)


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
    return _finished(front)


def rug(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """A woven rug: bands along the edge, medallions within, no two alike."""
    cloth = np.full(size, rng.uniform(0.3, 0.45), np.float32)
    height, width = size
    for band in range(5, 0, -1):
        _border(cloth, int(band * 0.06 * scale), float(rng.uniform(0.1, 0.9)))
    margin, step = int(0.3 * scale), int(0.32 * scale)
    for y in range(margin + step // 2, height - margin, step):
        for x in range(margin + step // 2, width - margin, step):
            _medallion(cloth, rng, (x, y), 0.46 * step)
    thread = 0.06 * np.sin(np.arange(height) * 2 * np.pi / 4)[:, None]
    return _finished(cloth + thread + _grain(rng, size, 0.05) + 0.12 * (_clouds(rng, size) - 0.5))


def fabric(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Upholstery: checked cloth with seams and wear."""
    y, x = np.mgrid[: size[0], : size[1]] / scale
    tone, period = rng.uniform(0.3, 0.6), rng.uniform(0.1, 0.2)
    check = 0.12 * (np.sin(2 * np.pi * x / period) > 0.3) + 0.1 * (
        np.sin(2 * np.pi * y / period) > 0.3
    )
    cloth = (tone + check).astype(np.float32) + 0.25 * (_clouds(rng, size) - 0.5)
    for _ in range(3):
        x0, y0 = _place(rng, size)
        cv2.ellipse(cloth, (x0, y0), (int(0.2 * scale), 3), 20, 0, 180, tone - 0.2, 1, cv2.LINE_AA)
    cv2.line(cloth, (size[1] // 2, 0), (size[1] // 2, size[0]), 0.15, 2, cv2.LINE_AA)
    return _finished(cloth + _grain(rng, size, 0.04))


def carton(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Cardboard with tape, a label, stamps and dents."""
    board = 0.5 + 0.14 * (_clouds(rng, size) - 0.5) + _grain(rng, size, 0.025)
    height, width = size
    tape = max(2, int(0.05 * scale))
    board[:, width // 2 - tape // 2 : width // 2 + tape // 2] += 0.18
    label_height, label_width = height * 2 // 5, width * 2 // 5
    y, x = int(rng.uniform(0.1, 0.5) * height), int(rng.uniform(0.05, 0.5) * width)
    label = poster(rng, (label_height, label_width), scale)
    board[y : y + label_height, x : x + label_width] = label
    _fit_text(board, _word(rng), (width // 10, height * 4 // 5), (width // 2, height // 8), 0.15)
    for _ in range(4):
        _crack(board, rng, scale, 0.3)
    return _finished(board)


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
    _border(wood, frame, 0.85)
    handle = (int(0.87 * width), int(0.52 * height))
    cv2.circle(wood, handle, max(2, int(0.03 * scale)), 0.95, -1, cv2.LINE_AA)
    return _finished(wood)


def window(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Panes with trees and sky behind them."""
    height, width = size
    view = 0.75 + 0.25 * _clouds(rng, size)
    leaves = _cropped(foliage(rng, max(size)), size)
    crowns = _clouds(rng, size) + np.linspace(-0.35, 0.45, height)[:, None] > 0.5
    view = np.where(crowns, 0.75 * leaves, view).astype(np.float32)
    bar = max(2, int(0.05 * scale))
    view[:, width // 2 - bar // 2 : width // 2 + bar // 2] = 0.92
    for y in (height // 3, height * 2 // 3):
        view[y - bar // 4 : y + bar // 4 + 1] = 0.92
    _border(view, bar, 0.95)
    _border(view, max(1, bar // 5), 0.3)
    return _finished(view)


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
    streaks = streaks + 0.1 * (_clouds(rng, size) - 0.5)
    wall[: int(0.3 * scale)] = 0.3
    return _finished(wall + streaks)


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
    return _finished(wall + 0.15 * (_clouds(rng, size) - 0.5))


def vehicle_side(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """The side of a parked van: windows, doors, wheels, lettering."""
    height, width = size
    paint = float(rng.choice([0.15, 0.35, 0.6, 0.85]))
    body = np.full(size, paint, np.float32) + 0.08 * (_clouds(rng, size) - 0.5)
    line = max(1, int(0.02 * scale))
    for left, right in ((0.06, 0.3), (0.36, 0.6), (0.66, 0.94)):
        corner = (int(left * width), int(0.12 * height))
        end = (int(right * width), int(0.42 * height))
        glass = body[corner[1] : end[1], corner[0] : end[0]]
        glass[:] = 0.12 + 0.4 * _clouds(rng, (glass.shape[0], glass.shape[1])) ** 2
        cv2.rectangle(body, corner, end, 0.05, line, cv2.LINE_AA)
    for x in (0.33, 0.63):
        cv2.line(
            body, (int(x * width), height // 12), (int(x * width), height), 0.5 - paint / 2, line
        )
    place, extent = (int(0.1 * width), int(0.5 * height)), (int(0.7 * width), height // 6)
    _fit_text(body, _word(rng), place, extent, 1.0 - paint)
    for x in (0.17, 0.82):
        centre, radius = (int(x * width), int(0.88 * height)), int(0.2 * height)
        cv2.circle(body, centre, radius, 0.04, -1, cv2.LINE_AA)
        cv2.circle(body, centre, radius * 3 // 5, 0.6, -1, cv2.LINE_AA)
        cv2.circle(body, centre, radius // 5, 0.2, -1, cv2.LINE_AA)
    return _finished(body + _grain(rng, size, 0.015))


def vehicle_end(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """The front or back of a van: a screen, lamps, a number plate, a bumper."""
    height, width = size
    body = np.full(size, rng.uniform(0.2, 0.8), np.float32) + 0.08 * (_clouds(rng, size) - 0.5)
    glass = body[int(0.1 * height) : int(0.46 * height), int(0.08 * width) : int(0.92 * width)]
    glass[:] = 0.1 + 0.5 * _clouds(rng, (glass.shape[0], glass.shape[1])) ** 2
    _border(glass, max(1, int(0.02 * scale)), 0.05)
    body[int(0.74 * height) : int(0.88 * height)] = 0.18
    body[int(0.88 * height) :] = 0.05
    for x in (0.14, 0.86):
        lamp = (int(x * width), int(0.63 * height))
        axes = (int(0.1 * width), int(0.06 * height))
        cv2.ellipse(body, lamp, axes, 0, 0, 360, 0.95, -1)
        cv2.ellipse(body, lamp, axes, 0, 0, 360, 0.2, 1)
    plate = np.full((int(0.09 * height), int(0.36 * width)), 0.9, np.float32)
    inset = (plate.shape[1] // 12, len(plate) // 5)
    _fit_text(plate, _word(rng), inset, (plate.shape[1] * 5 // 6, len(plate) * 3 // 5), 0.1)
    top, left = int(0.77 * height), int(0.32 * width)
    body[top : top + len(plate), left : left + plate.shape[1]] = plate
    return _finished(body + _grain(rng, size, 0.015))


def hedge(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Clipped leaves, with light on top and gaps."""
    leaves = _cropped(foliage(rng, max(size)), size)
    return _finished(leaves * (0.55 + 0.7 * _clouds(rng, size)))


def sky(rng: Rng, size: Size, scale: float) -> np.ndarray:
    """Clouds, brighter towards the horizon, over a far row of roofs and trees."""
    height, width = size
    heaven = 0.62 + 0.33 * _clouds(rng, size) + np.linspace(-0.1, 0.1, height)[:, None]
    skyline = height - height * (0.12 + 0.1 * _clouds(rng, (1, width))[0])
    skyline += np.repeat(rng.uniform(0, 0.06, width // 9 + 1) * height, 9)[:width]
    far = np.arange(height)[:, None] > skyline
    return _finished(np.where(far, 0.32 + 0.3 * _clouds(rng, size), heaven))


def _clouds(rng: Rng, size: Size) -> np.ndarray:
    """(H, W) float32 fractal noise in [0, 1]; very large ones are drawn out from smaller."""
    side = max(size)
    if side <= 1024:
        return _cropped(fractal_noise(rng, side), size)
    clouds = fractal_noise(rng, 1024).astype(np.float32)
    return cv2.resize(clouds, (side, side), interpolation=cv2.INTER_LINEAR)[: size[0], : size[1]]


def _grain(rng: Rng, size: Size, deviation: float) -> np.ndarray:
    return rng.normal(0, deviation, size).astype(np.float32)


def _cropped(square: np.ndarray, size: Size) -> np.ndarray:
    return square[: size[0], : size[1]].astype(np.float32)


def _finished(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture, 0.02, 0.98).astype(np.float32)


def _area(size: Size, scale: float) -> float:
    return size[0] * size[1] / scale**2


def _place(rng: Rng, size: Size) -> tuple[int, int]:
    return int(rng.integers(0, size[1])), int(rng.integers(0, size[0]))


def _border(picture: np.ndarray, breadth: int, tone: float) -> None:
    picture[:breadth] = picture[-breadth:] = tone
    picture[:, :breadth] = picture[:, -breadth:] = tone


def _board(rng: Rng, size: Size) -> np.ndarray:
    """Wood: a tone, streaks along the length, now and then a knot."""
    streaks = cv2.resize(rng.normal(0, 0.06, (size[0], max(2, size[1] // 24))), size[::-1])
    wood = (rng.uniform(0.3, 0.62) + streaks.reshape(size)).astype(np.float32)
    if rng.random() < 0.4 and min(size) > 6:
        x, y = _place(rng, size)
        cv2.ellipse(wood, (x, y), (size[0] // 4, size[0] // 7), 0, 0, 360, 0.15, -1, cv2.LINE_AA)
    return wood


def _crack(wall: np.ndarray, rng: Rng, scale: float, tone: float) -> None:
    point = np.array(_place(rng, (wall.shape[0], wall.shape[1])), float)
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


def _book(spine: np.ndarray, rng: Rng) -> None:
    tone = rng.uniform(0.1, 0.9)
    spine[:] = tone + _grain(rng, (spine.shape[0], spine.shape[1]), 0.02)
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


def _window_in_wall(
    wall: np.ndarray, rng: Rng, foot: tuple[int, int], size: Size, trim: float
) -> None:
    """One window whose sill's middle is ``foot``, (x, y)."""
    height, width = size
    x, y = foot[0] - width // 2, foot[1] - height
    pane = wall[max(y, 0) : y + height, max(x, 0) : x + width]
    if pane.shape[0] < 6 or pane.shape[1] < 6:
        return
    pane[:] = 0.08 + 0.35 * _clouds(rng, (pane.shape[0], pane.shape[1])) ** 2
    if rng.random() < 0.6:  # a curtain or a blind
        pane[: int(len(pane) * rng.uniform(0.15, 0.9))] += rng.uniform(0.15, 0.5)
    middle = pane.shape[1] // 2
    pane[:, middle : middle + 2] = trim
    pane[len(pane) // 3 : len(pane) // 3 + 2] = trim
    _border(pane, 2, trim)
    cv2.rectangle(wall, (x - 3, foot[1]), (x + width + 3, foot[1] + 3), trim, -1)
    cv2.line(wall, (x - 3, foot[1] + 5), (x + width + 3, foot[1] + 5), 0.12, 2)


def _shop(front: np.ndarray, rng: Rng, scale: float) -> None:
    """Sign, display windows and a door, drawn on the ground floor of a house."""
    height, width = front.shape
    base = rng.uniform(0.2, 0.6)
    front[:] = base + _grain(rng, (height, width), 0.03)
    sign = (int(0.06 * width), int(0.1 * height)), (int(0.94 * width), int(0.28 * height))
    ground, ink = (0.1, 0.92) if rng.random() < 0.5 else (0.9, 0.1)
    cv2.rectangle(front, *sign, ground, -1)
    inset = (sign[0][0] + int(0.3 * scale), sign[0][1] + int(0.12 * height) // 3)
    _fit_text(front, _word(rng), inset, (int(0.7 * width), int(0.12 * height)), ink)
    shares = np.sort(rng.uniform(0.1, 0.9, 2))
    edges = [0.05, *shares.tolist(), 0.95]
    for left, right in itertools.pairwise(edges):
        x0, x1 = int(left * width) + 3, int(right * width) - 3
        opening = front[int(0.36 * height) : int(0.93 * height), x0:x1]
        if opening.shape[1] < 8:
            continue
        content = _cropped(dead_leaves(rng, max(opening.shape)), (opening.shape[0], x1 - x0))
        opening[:] = 0.1 + 0.6 * content
        _border(opening, 2, 0.8)


def _word(rng: Rng) -> str:
    syllables = ('ba', 'do', 'fi', 'ga', 'ko', 'lu', 'mer', 'nor', 'pil', 'ra', 'ston', 'ten')
    return ''.join(rng.choice(syllables, int(rng.integers(2, 4)))).upper()


def _sentence(rng: Rng) -> str:
    return ' '.join(_word(rng).lower() for _ in range(int(rng.integers(3, 6))))


def _fit_text(
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
