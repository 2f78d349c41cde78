# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Checkerboards in pictures: their corners, and which views of one to calibrate from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from loftr_vo.imaging.calibration_checks import CalibrationError

_FEWEST_CORNERS = 3  # a side; OpenCV finds no smaller board
# Views closer than this show nothing new: mean distance of the outer corners, by the width.
_SAME_VIEW = 0.005
# Half the window in which a corner is refined, by the distance to the next corner, and pixels. On
# rendered boards it takes the corners' error from 0.13 (Duda and Frese) to 0.05 px.
_WINDOW, _LARGEST_WINDOW = 0.35, 15
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-3)  # pixels


@dataclass(frozen=True)
class Board:
    """A flat checkerboard.

    Attributes:
        columns, rows: inner corners along each side, one fewer than squares.
        square: side of a square in metres; the intrinsics do not depend on it.

    Raises:
        CalibrationError: too few corners, or a side that is not positive.
    """

    columns: int
    rows: int
    square: float

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < _FEWEST_CORNERS:
            raise CalibrationError(
                f'the board needs at least {_FEWEST_CORNERS}x{_FEWEST_CORNERS} inner corners, got '
                f'{self.columns}x{self.rows}'
            )
        if not 0.0 < self.square < np.inf:
            raise CalibrationError(f'the side of a square must be positive, got {self.square}')

    @classmethod
    def from_text(cls, text: str, square: float) -> Board:
        """Return the board that ``COLUMNSxROWS`` describes.

        Raises:
            CalibrationError: the text does not.
        """
        match = re.fullmatch(r'(\d{1,3})x(\d{1,3})', text)
        if match is None:
            raise CalibrationError(
                f'a board is given by its inner corners, as in 9x6 for one of 10x7 squares; got '
                f'{text!r}'
            )
        return cls(int(match[1]), int(match[2]), square)

    @property
    def points(self) -> np.ndarray:
        """Its corners in its own plane z = 0, row by row: (columns · rows, 3) float32, metres."""
        grid = np.mgrid[: self.columns, : self.rows].T.reshape(-1, 2)
        return np.column_stack([grid * self.square, np.zeros(len(grid))]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class View:
    """The board in one picture: its number in the recording, and its corners (N, 2) in pixels."""

    number: int
    corners: np.ndarray


def find_corners(image: np.ndarray, board: Board) -> np.ndarray | None:
    """Return the corners of the board in a grey picture, (N, 2) float32 pixels; None without.

    All corners must be visible. They are found by OpenCV's quick search or, where that fails, by
    the slower one of Duda and Frese (BMVC 2018), and then refined by gradients (Förstner).
    """
    size = (board.columns, board.rows)
    quick = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    found, corners = cv2.findChessboardCorners(image, size, flags=quick)
    if not found:
        found, corners = cv2.findChessboardCornersSB(
            image, size, flags=cv2.CALIB_CB_NORMALIZE_IMAGE
        )
    if not found:
        return None
    grid = corners.reshape(board.rows, board.columns, 2)
    spacing = min(float(np.linalg.norm(np.diff(grid, axis=axis), axis=2).min()) for axis in (0, 1))
    side = int(np.clip(spacing * _WINDOW, 2, _LARGEST_WINDOW))
    refined = cv2.cornerSubPix(image, corners, (side, side), (-1, -1), _STOP)
    return refined.reshape(-1, 2)


def distinct_views(views: Sequence[View], board: Board, width: int, most: int) -> list[View]:
    """Return views that differ most from each other, in their order in time.

    Each next one is that whose outer corners are farthest from those of all taken before, until
    there are ``most`` or the rest shows nothing new.

    Args:
        views: of one recording.
        board: the board in them.
        width: of the pictures in pixels.
        most: how many to return at most.
    """
    if not views:
        return []
    last = board.columns * board.rows - 1
    outer = [0, board.columns - 1, last - board.columns + 1, last]
    shapes = np.stack([view.corners[outer] for view in views]) / width
    distance = np.full(len(views), np.inf)
    taken = [0]
    while len(taken) < most:
        to_newest = np.linalg.norm(shapes - shapes[taken[-1]], axis=2).mean(axis=1)
        distance = np.minimum(distance, to_newest)
        farthest = int(distance.argmax())
        if distance[farthest] < _SAME_VIEW:
            break
        taken.append(farthest)
    return [views[index] for index in sorted(taken)]
