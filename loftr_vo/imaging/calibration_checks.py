# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of what a calibration says: size of the pictures, camera matrix, distortion."""

from __future__ import annotations

import numpy as np

from loftr_vo.files.errors import InputError
from loftr_vo.geometry.plausible import FOCAL_LENGTH, PRINCIPAL_POINT
from loftr_vo.imaging.lens_models import LensError, known_lens

# Beyond these a number describes no camera but is a mistake: JPEG's widest picture, and a view of
# a hundredth of a degree on it.
_MOST_SIDE, _MOST_FOCAL, _MOST_COEFFICIENT = 65535, 1e9, 1e9


class CalibrationError(InputError):
    """A calibration is missing, incomplete, impossible, or made for pictures of another size."""


def check_picture_size(width: int, height: int) -> None:
    """Make sure that a camera can have pictures of ``width`` by ``height`` pixels.

    Raises:
        CalibrationError: it cannot.
    """
    if width < 1 or height < 1:
        raise CalibrationError(
            f'the picture size {width}x{height} is not positive; '
            'calibrate the camera, or set width and height'
        )
    if max(width, height) > _MOST_SIDE:
        raise CalibrationError(
            f'the picture size {width}x{height} is of no camera: a side has at most '
            f'{_MOST_SIDE} pixels; correct width and height'
        )


def check_matrix(matrix: np.ndarray, width: int, height: int) -> None:
    """Make sure that a camera of ``width`` by ``height`` pixels can have a matrix K.

    Raises:
        CalibrationError: it cannot.
    """
    if matrix.shape != (3, 3):
        raise CalibrationError(f'the camera matrix K must be 3x3, got shape {matrix.shape}')
    if not np.isfinite(matrix).all():
        raise CalibrationError('the camera matrix K has a value that is not finite')
    if not matrix.any():
        raise CalibrationError(
            'the camera matrix K is all zero, which is how ROS marks a camera that is not '
            'calibrated; calibrate it with camera_calibration'
        )
    if matrix[0, 0] <= 0.0 or matrix[1, 1] <= 0.0:
        raise CalibrationError(
            f'the focal lengths must be positive, got fx = {matrix[0, 0]:g}, '
            f'fy = {matrix[1, 1]:g}'
            + (
                '; where y is taken to point up, as in ICL-NUIM, write fy as positive: the '
                'pictures are the same, and of the true poses y has to be turned round'
                if matrix[0, 0] > 0.0 > matrix[1, 1]
                else ''
            )
        )
    sides = np.array([width, height], np.float64)
    focal, centre = matrix[[0, 1], [0, 1]], matrix[:2, 2]
    if sides.min() >= 1 and not (
        FOCAL_LENGTH.holds(focal / sides.max()) and PRINCIPAL_POINT.holds(centre / sides.max())
    ):
        raise CalibrationError(
            f'no camera of {width}x{height} pixels has fx, fy = {focal.tolist()} '
            f'and cx, cy = {centre.tolist()} pixels'
        )
    if np.abs(matrix).max() > _MOST_FOCAL:
        raise CalibrationError(
            f'a value of the camera matrix K is larger than {_MOST_FOCAL:g} pixels'
        )
    form = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    free = np.array([[True, True, True], [False, True, True], [False, False, False]])
    if (matrix != form)[~free].any():
        raise CalibrationError(
            'the camera matrix K must have the form [fx s cx; 0 fy cy; 0 0 1], got '
            f'{matrix.tolist()}'
        )


def checked_distortion(model: str, distortion: np.ndarray) -> tuple[str, np.ndarray]:
    """Return a lens model and its coefficients as ``known_lens`` does.

    Raises:
        CalibrationError: no lens has them.
    """
    try:
        model, distortion = known_lens(model, distortion)
    except LensError as error:
        raise CalibrationError(str(error)) from error
    if not np.isfinite(distortion).all():
        raise CalibrationError('a distortion coefficient is not finite')
    if distortion.size and np.abs(distortion).max() > _MOST_COEFFICIENT:
        raise CalibrationError(f'a distortion coefficient is larger than {_MOST_COEFFICIENT:g}')
    return model, distortion
