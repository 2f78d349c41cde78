# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures that the demo leaves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from loftr_vo.evaluation.plots import plot_errors, plot_top_view
from loftr_vo.evaluation.scoring import Alignment
from loftr_vo.files.output_files import write_bytes
from loftr_vo.files.output_pictures import write_picture

_BACKGROUND = (40, 34, 30)  # as in drawing.py; all colours are BGR
_TEXT = (235, 235, 235)
_GRID = (70, 64, 60)
_TRUE = (165, 165, 165)
_ESTIMATE = (60, 140, 255)
# Of the odometry, of outliers and inliers, and of the state, as in drawing/.
_MEANT = (_ESTIMATE, (70, 70, 235), (30, 200, 235), (60, 215, 20), (50, 130, 30))
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MAP_HEIGHT = 250
_MAP_MARGIN = 44
_SHEET = (3, 3)  # rows, columns
_GIF_FRAMES = 40
_GIF_WIDTH = 480
_GIF_COLOURS = 64
_GIF_SECONDS_PER_FRAME = 0.17


def draw_pictures(
    output: Path, alignment: Alignment, pictures: dict[int, np.ndarray], metrics: dict[str, Any]
) -> None:
    """Write the plots, a contact sheet of the matches, some of them large, and an animation.

    Args:
        output: an existing folder.
        alignment: the odometry laid onto the true path.
        pictures: of the matches, (H, W, 3) uint8 BGR, by the frame's stamp in nanoseconds.
        metrics: for the titles.
    """
    title = (
        f'demo: {metrics["tracked"]} of {metrics["frames"]} frames tracked\n'
        f'ATE {1e3 * metrics["ate_rmse_m"]:.1f} mm, {metrics["ate_percent"]:.2f} % of '
        f'{metrics["path_length_m"]:.3g} m'
    )
    plot_top_view(output / 'top_view.png', title, alignment.estimated, alignment.true)
    plot_errors(output / 'error.png', title, alignment)
    stamps = [stamp for stamp in alignment.estimated.stamps.tolist() if stamp in pictures]
    if not stamps:
        return
    chosen = [pictures[stamp] for stamp in _spread(stamps, _SHEET[0] * _SHEET[1])]
    for number, picture in enumerate(chosen[2::3]):
        write_picture(output / f'matches_{number}.png', picture)
    write_picture(output / 'contact_sheet.jpg', _contact_sheet(chosen))
    _write_animation(output / 'demo.gif', alignment, pictures, _spread(stamps, _GIF_FRAMES))


def _spread(stamps: list[int], count: int) -> list[int]:
    """Return ``count`` of the stamps or all, evenly, without the first: it has no matches."""
    indices = np.linspace(0, len(stamps) - 1, min(count + 1, len(stamps)))[1:]
    return [stamps[round(index)] for index in indices.tolist()] or stamps


def _contact_sheet(pictures: list[np.ndarray]) -> np.ndarray:
    rows, columns = _SHEET
    pictures = _same_height(pictures)
    blank = np.full_like(pictures[0], _BACKGROUND)
    cells = [*pictures, *[blank] * (rows * columns - len(pictures))]
    gap = np.full((len(blank), 6, 3), _BACKGROUND, np.uint8)
    lines = []
    for row in range(rows):
        line = [part for cell in cells[row * columns :][:columns] for part in (cell, gap)]
        lines.append(np.hstack(line[:-1]))
    return np.vstack(lines)


def _write_animation(
    path: Path, alignment: Alignment, pictures: dict[int, np.ndarray], stamps: list[int]
) -> None:
    top = _same_height([pictures[stamp] for stamp in stamps])
    size = (_GIF_WIDTH, 0)
    frames = []
    for stamp, picture in zip(stamps, top, strict=True):
        size = (_GIF_WIDTH, round(_GIF_WIDTH / picture.shape[1] * picture.shape[0]))
        shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        frames.append(np.vstack([shrunk, _map(alignment, stamp, _GIF_WIDTH)]))
    palette = _palette(frames[len(frames) // 2])
    first, *others = [
        _pillow(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames
    ]
    durations = [round(1e3 * _GIF_SECONDS_PER_FRAME)] * len(frames)
    durations[-1] = 2500
    data = io.BytesIO()
    first.save(
        data,
        'GIF',
        save_all=True,
        append_images=others,
        duration=durations,
        loop=0,
        optimize=True,
    )
    write_bytes(path, data.getvalue())


def _palette(frame: np.ndarray) -> Image.Image:
    """Return one palette for all frames, or colours would flicker, from one of them.

    The colours that mean something cover little of a frame, and are given an area of their own.
    """
    swatches = [np.full((16, frame.shape[1], 3), colour, np.uint8) for colour in _MEANT]
    return _pillow(np.vstack([frame, *swatches])).quantize(_GIF_COLOURS)


def _map(alignment: Alignment, stamp: int, width: int) -> np.ndarray:
    """Return (250, width, 3): the paths from above up to a stamp, and a line of figures."""
    canvas = np.full((_MAP_HEIGHT, width, 3), _BACKGROUND, np.uint8)
    seen = int(np.searchsorted(alignment.estimated.stamps, stamp, side='right'))
    true, found = alignment.true.positions[:, [0, 2]], alignment.estimated.positions[:, [0, 2]]
    extent = np.vstack([true, found])
    low, span = extent.min(axis=0), np.ptp(extent, axis=0)
    area = np.array([width * 0.6, _MAP_HEIGHT]) - 2 * _MAP_MARGIN
    scale = float((area / np.maximum(span, 1e-6)).min())

    def on_canvas(points: np.ndarray) -> np.ndarray:
        x, z = ((points - low - span / 2) * scale).T
        middle = np.array([width * 0.3, _MAP_HEIGHT / 2])
        pixels: np.ndarray = np.round(np.stack([x, -z], 1) + middle).astype(np.int32)
        return pixels

    _grid(canvas, on_canvas, low, span)
    cv2.polylines(canvas, [on_canvas(true)], False, _TRUE, 1, cv2.LINE_AA)
    cv2.polylines(canvas, [on_canvas(found[:seen])], False, _ESTIMATE, 2, cv2.LINE_AA)
    _draw_camera(canvas, on_canvas, alignment.estimated.poses[seen - 1])
    travelled = alignment.true.distances[seen - 1]
    error = float(np.sqrt(np.mean(alignment.errors[:seen] ** 2)))
    lines = [
        (f'frame {seen} of {len(found)}', _TEXT),
        (f'{travelled:.2f} m travelled', _TEXT),
        (f'error {1e3 * error:.0f} mm RMS', _TEXT),
        ('odometry', _ESTIMATE),
        ('ground truth', _TRUE),
    ]
    for row, (text, colour) in enumerate(lines):
        corner = (int(width * 0.66), 62 + 32 * row)
        cv2.putText(canvas, text, corner, _FONT, 0.55, colour, 1, cv2.LINE_AA)
    return canvas


def _grid(canvas: np.ndarray, on_canvas: Any, low: np.ndarray, span: np.ndarray) -> None:
    """Draw lines every metre."""
    for axis in (0, 1):
        for metre in np.arange(np.ceil(low[axis]), low[axis] + span[axis]):
            ends = np.stack([low - 0.2, low + span + 0.2])
            ends[:, axis] = metre
            cv2.polylines(canvas, [on_canvas(ends)], False, _GRID, 1, cv2.LINE_AA)


def _draw_camera(canvas: np.ndarray, on_canvas: Any, pose: np.ndarray) -> None:
    """Draw the field of view as a wedge 0.4 m deep."""
    wedge = np.array([[0.0, 0.0, 0.0], [-0.3, 0.0, 0.4], [0.3, 0.0, 0.4]])
    corners = (wedge @ pose[:3, :3].T + pose[:3, 3])[:, [0, 2]]
    cv2.polylines(canvas, [on_canvas(corners)], True, _ESTIMATE, 1, cv2.LINE_AA)
    cv2.circle(canvas, on_canvas(corners[:1])[0].tolist(), 4, _ESTIMATE, -1, cv2.LINE_AA)


def _same_height(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Give pictures of one width one height, by space above."""
    height = max(len(picture) for picture in pictures)
    return [
        cv2.copyMakeBorder(
            picture, height - len(picture), 0, 0, 0, cv2.BORDER_CONSTANT, value=_BACKGROUND
        )
        for picture in pictures
    ]


def _pillow(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
