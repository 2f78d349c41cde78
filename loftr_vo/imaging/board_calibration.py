# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A camera's calibration from views of a checkerboard, by OpenCV (Zhang, PAMI 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from loftr_vo.imaging.board import Board, View
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera

FEWEST_VIEWS = 4
# A view whose residuals are this many times the median view's is blurred, bent or mistaken.
_OUTLIER = 3.0
# Below these the result is doubtful, and the report says so; rules of thumb of the field.
_GOOD_VIEWS, _GOOD_RMS, _GOOD_COVERAGE, _GOOD_SIGMA = 10, 0.5, 0.6, 0.005
# By default OpenCV 4 stops after 30 steps: on exact corners, 1.2 % uncertain of the focal length.
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-12)
# Angles of the furthest corner from the optical axis, in degrees, that OpenCV begins a fisheye at.
# It converges from within about 15 of the right one. OpenCV 4 begins by itself at one that suits a
# view of 180 degrees across the longer side, and fails where it is far less.
_FISHEYE_STARTS = (85.0, 70.0, 55.0, 40.0, 25.0)
_CELLS = 8  # a side, of the grid on the picture in which corners are counted


@dataclass(frozen=True, eq=False)
class BoardCalibration:
    """What the views gave.

    Attributes:
        camera: the camera.
        views: those used, M of them with N corners each.
        left_out: views whose residuals were too large.
        residuals: (M, N, 2) pixels, corner found minus corner predicted.
        focal_sigma: standard deviation of the focal lengths, by their mean; NaN where OpenCV does
            not give it (fisheye).
        coverage: share of the picture, in cells of an eighth of its sides, with a corner in it.
    """

    camera: Camera
    views: list[View]
    left_out: list[View]
    residuals: np.ndarray
    focal_sigma: float
    coverage: float

    @property
    def rms(self) -> float:
        """Root of the mean squared distance between corners found and predicted, in pixels."""
        return _rms(self.residuals)

    @property
    def view_rms(self) -> list[float]:
        """The same of each view."""
        return [_rms(each) for each in self.residuals]

    def doubts(self) -> list[str]:
        """Return what is doubtful about the result, and what to do."""
        found = []
        if len(self.views) < _GOOD_VIEWS:
            found.append(
                f'only {len(self.views)} different views; show the board in at least '
                f'{_GOOD_VIEWS} places and angles'
            )
        if self.coverage < _GOOD_COVERAGE:
            found.append(
                f'corners in {self.coverage:.0%} of the picture only; the distortion of the rest '
                'is extrapolated: bring the board into every corner of the picture'
            )
        if self.focal_sigma > _GOOD_SIGMA:
            found.append(
                f'the focal length is uncertain by {self.focal_sigma:.1%}; tilt the board by 30 '
                'to 45 degrees in several views'
            )
        if self.rms > _GOOD_RMS:
            found.append(
                f'residuals of {self.rms:.2f} px; the board is not flat, the pictures are '
                'blurred, or the camera moved too fast for its rolling shutter'
            )
        return found


def calibrate(
    views: Sequence[View], board: Board, size: tuple[int, int], fisheye: bool = False
) -> BoardCalibration:
    """Return the camera that explains the views best.

    A first solution finds views with outlying residuals; the second is made without them.

    Args:
        views: at least four.
        board: the board in them.
        size: width and height of the pictures.
        fisheye: whether the lens model is equidistant (Kannala, Brandt) and not plumb_bob.

    Raises:
        CalibrationError: too few views, or no camera explains them.
    """
    solved = _solve(views, board, size, fisheye)
    rms = np.array(solved.view_rms)
    keep = rms <= max(_OUTLIER * float(np.median(rms)), 0.1)
    if keep.all() or keep.sum() < FEWEST_VIEWS:
        return solved
    kept = [view for view, kept in zip(views, keep, strict=True) if kept]
    left_out = [view for view, kept in zip(views, keep, strict=True) if not kept]
    return _solve(kept, board, size, fisheye, left_out)


def _solve(
    views: Sequence[View],
    board: Board,
    size: tuple[int, int],
    fisheye: bool,
    left_out: Sequence[View] = (),
) -> BoardCalibration:
    if len(views) < FEWEST_VIEWS:
        raise CalibrationError(
            f'a calibration needs {FEWEST_VIEWS} different views of the board or more, there are '
            f'{len(views)}; is it one of {board.columns}x{board.rows} inner corners, and wholly '
            'in the picture?'
        )
    corners = [view.corners.astype(np.float32).reshape(-1, 1, 2) for view in views]
    try:
        solution = (_fisheye if fisheye else _pinhole)(board.points, corners, size)
    except cv2.error as error:
        raise CalibrationError(
            f'OpenCV finds no camera for these views ({error.err}); take others, with the board '
            'tilted and in every part of the picture'
        ) from error
    matrix, distortion, turns, shifts, sigma = solution
    model = 'equidistant' if fisheye else 'plumb_bob'
    camera = Camera(size[0], size[1], matrix, model, distortion)
    residuals = np.stack(
        [
            view.corners - camera.project(board.points @ cv2.Rodrigues(turn)[0].T + shift.ravel())
            for view, turn, shift in zip(views, turns, shifts, strict=True)
        ]
    )
    coverage = _coverage(np.concatenate([view.corners for view in views]), size)
    return BoardCalibration(camera, list(views), list(left_out), residuals, sigma, coverage)


def _pinhole(points: np.ndarray, corners: list[np.ndarray], size: tuple[int, int]) -> Any:
    """Return matrix, distortion, rotation vectors, translations, relative sigma of the focal."""
    # Its stubs want the matrices that it may make itself.
    by_opencv: Any = cv2.calibrateCameraExtended
    _, matrix, distortion, turns, shifts, sigmas, _, _ = by_opencv(
        [points] * len(corners), corners, size, None, None, criteria=_CRITERIA
    )
    focal = np.mean([matrix[0, 0], matrix[1, 1]])
    sigma = float(np.asarray(sigmas).ravel()[:2].mean() / focal)
    return matrix, distortion.ravel(), turns, shifts, sigma


def _fisheye(points: np.ndarray, corners: list[np.ndarray], size: tuple[int, int]) -> Any:
    """Return the same as ``_pinhole``, without a sigma."""
    # OpenCV 5 gave the flags of all lens models one place.
    place: Any = cv2 if hasattr(cv2, 'CALIB_RECOMPUTE_EXTRINSIC') else cv2.fisheye
    flags = place.CALIB_RECOMPUTE_EXTRINSIC | place.CALIB_FIX_SKEW
    objects = [points.reshape(1, -1, 3).astype(np.float64)] * len(corners)
    pixels = [each.reshape(1, -1, 2).astype(np.float64) for each in corners]
    centre = (np.array(size) - 1) / 2
    furthest = max(np.linalg.norm(each - centre, axis=-1).max() for each in pixels)
    starts = [(np.eye(3), flags)]
    for degrees in _FISHEYE_STARTS:
        start = np.diag([*[furthest / np.radians(degrees)] * 2, 1.0])
        start[:2, 2] = centre
        starts.append((start, flags | place.CALIB_USE_INTRINSIC_GUESS))
    solutions, failure = [], None
    for start, its_flags in starts:
        try:
            found = cv2.fisheye.calibrate(
                objects, pixels, size, start, np.zeros(4), flags=its_flags
            )
        except cv2.error as error:
            failure = error
        else:
            if np.isfinite(found[0]):
                solutions.append(found)
    if not solutions:
        raise failure or CalibrationError('OpenCV finds no fisheye camera for these views')
    _, matrix, distortion, turns, shifts = min(solutions, key=lambda each: each[0])
    return matrix, distortion.ravel(), turns, shifts, float('nan')


def _rms(residuals: np.ndarray) -> float:
    return float(np.sqrt((residuals**2).sum(axis=-1).mean()))


def _coverage(corners: np.ndarray, size: tuple[int, int]) -> float:
    cells = (corners * _CELLS / np.array(size)).astype(int).clip(0, _CELLS - 1)
    return len(np.unique(cells, axis=0)) / _CELLS**2
