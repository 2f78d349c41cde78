# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of matches, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from loftr_vo.drawing.caption import (
    BACKGROUND,
    Colour,
    Line,
    Words,
    caption,
)
from loftr_vo.imaging.view_mask import ViewMask
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import State

# More lines, or more points, than this hide the pictures under them.
MAX_LINES = 60
MAX_POINTS = 300

# Narrower results are enlarged by a whole factor, wider ones shrunk, so that the text is readable
# and a message is not larger than a screen needs it.
MIN_WIDTH = 480
MAX_WIDTH = 1300

_OUTLIER = (70, 70, 235)
_UNSURE = np.array([30, 200, 235])
_SURE = np.array([60, 215, 20])
_STATE_COLOURS = {
    State.INITIALISING: (20, 130, 190),
    State.TRACKING: (50, 130, 30),
    State.LOST: (50, 50, 200),
}
_LINE_WEIGHT = 0.6
_DIMMED = 0.3  # of the brightness, where a mask covers the picture
_GAP = 4


def draw_matches(
    image0: np.ndarray,
    image1: np.ndarray,
    matches: Matches,
    inliers: np.ndarray,
    lines: Sequence[Line],
) -> np.ndarray:
    """Draw a pair of pictures with lines between matched points, and text in a strip above.

    Inliers run from yellow (not confident) to green (confident), outliers are red. The pictures
    stand side by side, wide ones above each other. Of many matches an even choice is drawn.

    Args:
        image0: (H0, W0) uint8, of any size.
        image1: (H1, W1) uint8, of any size.
        matches: in the pixels of the two pictures.
        inliers: (N,) bool, the matches that agree with the motion found.
        lines: what to write in the strip.

    Returns:
        (H', W', 3) uint8, BGR.
    """
    size0, size1 = _size(image0), _size(image1)
    offset = _offset_of_second(size0, size1)
    zoom = _zoom(int(max(size0[0], offset[0] + size1[0])))
    corner = np.round(offset * zoom).astype(int)
    canvas = _pair(_resized(image0, zoom), _resized(image1, zoom), corner)
    starts = _on_canvas(matches.keypoints0, zoom)
    ends = _on_canvas(matches.keypoints1, zoom) + corner
    colours = _colours(matches.confidence, np.asarray(inliers, bool))
    # Outliers lie below inliers, and the most confident on top.
    order = np.lexsort((matches.confidence, inliers))
    _draw_lines(canvas, starts, ends, colours, _chosen(order, MAX_LINES))
    _draw_points(canvas, starts, ends, colours, _chosen(order, MAX_POINTS))
    return np.vstack([caption(lines, canvas.shape[1]), canvas])


def dimmed(image: np.ndarray, mask: ViewMask | None) -> np.ndarray:
    """Return a picture (H, W) uint8 with what the mask covers darker."""
    if mask is None:
        return image
    return np.where(mask.used(image.shape), image, (_DIMMED * image).astype(np.uint8))


def heading(state: State, reason: str, matches: int, inliers: int, rate: float) -> list[Line]:
    """Return the lines that say how the odometry stands, for ``draw_matches``.

    Args:
        state: of the odometry.
        reason: why; may be empty.
        matches, inliers: how many there are.
        rate: Hz, of the odometry.
    """
    figures = [
        Words(state.value.upper(), _STATE_COLOURS[state], badge=True),
        Words(f'{matches} matches'),
        Words(f'{inliers} inliers', _bgr(_SURE)),
        Words(f'{rate:.1f} Hz'),
    ]
    return [figures, [Words(word) for word in reason.split()]] if reason else [figures]


def _size(image: np.ndarray) -> np.ndarray:
    return np.array(image.shape[1::-1])


def _offset_of_second(size0: np.ndarray, size1: np.ndarray) -> np.ndarray:
    wide = size0[0] > 2 * size0[1]
    return np.array([0, size0[1] + _GAP]) if wide else np.array([size0[0] + _GAP, 0])


def _zoom(width: int) -> float:
    return float(np.ceil(MIN_WIDTH / width)) if width < MIN_WIDTH else min(1.0, MAX_WIDTH / width)


def _resized(image: np.ndarray, zoom: float) -> np.ndarray:
    if zoom == 1.0:
        return image
    method = cv2.INTER_NEAREST if zoom > 1.0 else cv2.INTER_AREA
    size = np.maximum(np.round(_size(image) * zoom).astype(int), 1).tolist()
    return cv2.resize(image, size, interpolation=method)


def _pair(image0: np.ndarray, image1: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Return the two on one canvas, the second with its top left at a corner (x, y)."""
    width, height = np.maximum(_size(image0), corner + _size(image1)).tolist()
    canvas = np.full((height, width, 3), BACKGROUND, np.uint8)
    for image, (x, y) in ((image0, (0, 0)), (image1, corner.tolist())):
        canvas[y : y + image.shape[0], x : x + image.shape[1]] = image[..., None]
    return canvas


def _on_canvas(points: np.ndarray, zoom: float) -> np.ndarray:
    # The centre of a pixel stays the centre of its enlarged square.
    return (points + 0.5) * zoom - 0.5


def _chosen(order: np.ndarray, most: int) -> np.ndarray:
    """Return an even choice of the matches, in the order in which they are drawn."""
    count = len(order)
    if count <= most:
        return order
    kept = np.zeros(count, bool)
    kept[np.linspace(0, count - 1, most).round().astype(int)] = True
    return order[kept[order]]


def _draw_lines(
    canvas: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    colours: list[Colour],
    chosen: np.ndarray,
) -> None:
    """Draw lines that the pictures shine through."""
    drawn = canvas.copy()
    width = max(1, round(canvas.shape[1] / 1000))
    for index in chosen.tolist():
        start, end = _fixed_point(starts[index]), _fixed_point(ends[index])
        cv2.line(drawn, start, end, colours[index], width, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(drawn, _LINE_WEIGHT, canvas, 1.0 - _LINE_WEIGHT, 0.0, dst=canvas)


def _draw_points(
    canvas: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    colours: list[Colour],
    chosen: np.ndarray,
) -> None:
    radius = round(max(1.5, canvas.shape[1] / 600) * (1 << _SHIFT))
    for index in chosen.tolist():
        for point in (starts[index], ends[index]):
            centre = _fixed_point(point)
            cv2.circle(canvas, centre, radius, colours[index], cv2.FILLED, cv2.LINE_AA, _SHIFT)


# OpenCV draws at fractions of a pixel when given integers with this many fractional bits.
_SHIFT = 4


def _fixed_point(point: np.ndarray) -> tuple[int, int]:
    x, y = np.round(point * (1 << _SHIFT)).astype(int).tolist()
    return x, y


def _colours(confidence: np.ndarray, inliers: np.ndarray) -> list[Colour]:
    """Return the colour of each match."""
    share = np.clip(confidence, 0.0, 1.0)[:, None]
    sure = _UNSURE + share * (_SURE - _UNSURE)
    return [_bgr(colour) for colour in np.where(inliers[:, None], sure, _OUTLIER)]


def _bgr(colour: np.ndarray) -> Colour:
    blue, green, red = colour.round().astype(int).tolist()
    return blue, green, red
