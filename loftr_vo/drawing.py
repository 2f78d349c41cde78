# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of matches, for people to look at."""

from __future__ import annotations

import cv2
import numpy as np

from loftr_vo.matches import Matches

# More lines than this hide the pictures under them.
MAX_LINES = 150

# Narrower results are enlarged by a whole factor, so that the text is readable.
MIN_WIDTH = 480

_TEXT = (235, 235, 235)
_BACKGROUND = (40, 34, 30)
_OUTLIER = (70, 70, 235)
_UNSURE = np.array([30, 200, 235])
_SURE = np.array([60, 215, 20])
_GAP = 4
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_matches(
    image0: np.ndarray,
    image1: np.ndarray,
    matches: Matches,
    inliers: np.ndarray,
    lines: list[str],
) -> np.ndarray:
    """Draw a pair of pictures with lines between matched points, and text in a strip above.

    Inliers run from yellow (not confident) to green (confident), outliers are thin and red. The
    pictures stand side by side, wide ones above each other. Of many matches an even choice is
    drawn.

    Args:
        image0: (H0, W0) uint8, of any size.
        image1: (H1, W1) uint8, of any size.
        matches: in the pixels of the two pictures.
        inliers: (N,) bool, the matches that agree with the motion found.
        lines: what to write in the strip, a line each; long ones are wrapped.

    Returns:
        (H', W', 3) uint8, BGR.
    """
    size0, size1 = _size(image0), _size(image1)
    offset = _offset_of_second(size0, size1)
    extent = np.maximum(size0, offset + size1)
    zoom = max(1, int(np.ceil(MIN_WIDTH / extent[0])))
    canvas = np.full((extent[1] * zoom, extent[0] * zoom, 3), _BACKGROUND, np.uint8)
    for image, corner in ((image0, np.zeros(2, int)), (image1, offset)):
        _paste(canvas, image, corner * zoom, zoom)

    chosen = _even_choice(len(matches), MAX_LINES)
    _draw_lines(
        canvas,
        _on_canvas(matches.keypoints0[chosen], zoom),
        _on_canvas(matches.keypoints1[chosen] + offset, zoom),
        matches.confidence[chosen],
        np.asarray(inliers, bool)[chosen],
    )
    return np.vstack([_text_strip(lines, canvas.shape[1]), canvas])


def _size(image: np.ndarray) -> np.ndarray:
    return np.array(image.shape[1::-1])


def _offset_of_second(size0: np.ndarray, size1: np.ndarray) -> np.ndarray:
    wide = size0[0] > 2 * size0[1]
    return np.array([0, size0[1] + _GAP]) if wide else np.array([size0[0] + _GAP, 0])


def _paste(canvas: np.ndarray, image: np.ndarray, corner: np.ndarray, zoom: int) -> None:
    large = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
    height, width = large.shape
    x, y = corner
    canvas[y : y + height, x : x + width] = large[..., None]


def _on_canvas(points: np.ndarray, zoom: int) -> np.ndarray:
    # The centre of a pixel stays the centre of its enlarged square.
    return (points + 0.5) * zoom - 0.5


def _even_choice(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _draw_lines(
    canvas: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    confidence: np.ndarray,
    inliers: np.ndarray,
) -> None:
    width = max(1, round(canvas.shape[1] / 1000))
    # Outliers lie below inliers, and the most confident on top.
    for index in np.lexsort((confidence, inliers)):
        good = inliers[index]
        colour = _confidence_colour(float(confidence[index])) if good else _OUTLIER
        start, end = _fixed_point(starts[index]), _fixed_point(ends[index])
        cv2.line(canvas, start, end, colour, width if good else 1, cv2.LINE_AA, _SHIFT)
        for point in (start, end):
            radius = (width + 1) << _SHIFT
            cv2.circle(canvas, point, radius, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)


# OpenCV draws at fractions of a pixel when given integers with this many fractional bits.
_SHIFT = 4


def _fixed_point(point: np.ndarray) -> tuple[int, int]:
    x, y = np.round(point * (1 << _SHIFT)).astype(int).tolist()
    return x, y


def _confidence_colour(confidence: float) -> tuple[int, int, int]:
    share = min(max(confidence, 0.0), 1.0)
    blue, green, red = (_UNSURE + share * (_SURE - _UNSURE)).round().astype(int).tolist()
    return blue, green, red


def _text_strip(lines: list[str], width: int) -> np.ndarray:
    scale = max(0.45, width / 2400)
    thickness = max(1, round(scale * 1.6))
    height = round(36 * scale)
    margin = round(14 * scale)
    rows = [row for line in lines for row in _wrap(line, width - 2 * margin, scale, thickness)]
    strip = np.full((height * len(rows) + margin * bool(rows), width, 3), _BACKGROUND, np.uint8)
    for number, row in enumerate(rows, start=1):
        origin = (margin, height * number - round(4 * scale))
        cv2.putText(strip, row, origin, _FONT, scale, _TEXT, thickness, cv2.LINE_AA)
    return strip


def _wrap(line: str, width: int, scale: float, thickness: int) -> list[str]:
    rows = ['']
    for word in line.split():
        longer = f'{rows[-1]} {word}'.strip()
        fits = cv2.getTextSize(longer, _FONT, scale, thickness)[0][0] <= width
        if fits or not rows[-1]:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows
