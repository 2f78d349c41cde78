# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion between the cameras of a stereo pair, by their calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from loftr_vo.geometry.plausible import BASELINE
from loftr_vo.geometry.trajectory import is_rotation
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.camera_info import camera_from_info


def right_from_left(
    projection: np.ndarray,
    rectify_left: np.ndarray | None = None,
    rectify_right: np.ndarray | None = None,
) -> np.ndarray:
    """Return the motion (4, 4) that maps points of the left camera to the right one, in metres.

    The right camera's P has -fx B in its fourth column, B the baseline (``CameraInfo``, REP 104).

    Args:
        projection: (3, 4), the right camera's P.
        rectify_left, rectify_right: (3, 3), the cameras' R, for pictures that are not rectified;
            None for those that are.

    Raises:
        CalibrationError: P has no baseline, or one that no pair of cameras has.
    """
    projection = np.asarray(projection, np.float64).reshape(3, 4)
    if projection[0, 0] <= 0 or projection[0, 3] == 0:
        raise CalibrationError(
            'P of the right camera has no baseline: its first row must be [fx 0 cx -fx*B], B in '
            'metres; calibrate the two cameras as a pair'
        )
    baseline = -projection[0, 3] / projection[0, 0]
    if not BASELINE.holds(baseline):
        raise CalibrationError(
            f'by P of the right camera the baseline is {baseline:g} m, which no pair of cameras '
            'has: it must be positive (are left and right exchanged?) and in metres'
        )
    turn_left = np.eye(3) if rectify_left is None else np.reshape(rectify_left, (3, 3))
    turn_right = np.eye(3) if rectify_right is None else np.reshape(rectify_right, (3, 3))
    motion = np.eye(4)
    motion[:3, :3] = turn_right.T @ turn_left
    motion[:3, 3] = turn_right.T @ np.array([-baseline, 0.0, 0.0])
    for turn in (turn_left, turn_right):
        if not is_rotation(turn):
            raise CalibrationError(
                'the rectification of one of the two cameras (R) is no rotation; calibrate them '
                'as a pair'
            )
    return motion


def pair_from_infos(left: Any, right: Any, rectified: bool) -> tuple[Camera, np.ndarray]:
    """Return the right camera, and how it lies to the left one, from their ``CameraInfo``.

    Args:
        left, right: the messages.
        rectified: whether the pictures were rectified already.

    Returns:
        The right camera, and the motion (4, 4) of ``right_from_left``.

    Raises:
        CalibrationError: the right camera is not calibrated, or not as one of a pair.
    """
    # Rotations that are all zero are those of a single camera, which has none.
    turns = [np.array(info.r).reshape(3, 3) for info in (left, right)]
    raw = not rectified and all(turn.any() for turn in turns)
    motion = right_from_left(np.array(right.p), *(turns if raw else ()))
    return camera_from_info(right, rectified), motion


def rectification(right_from_left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the turns (3, 3) that make the axes of two cameras parallel, x along the baseline.

    They are R of the left and of the right camera's ``CameraInfo``, from which
    ``right_from_left`` finds the motion again.
    """
    motion = right_from_left
    x = -motion[:3, 3] / np.linalg.norm(motion[:3, 3])
    y = np.cross([0.0, 0.0, 1.0], x)
    y /= np.linalg.norm(y)
    right = np.stack([x, y, np.cross(x, y)])
    return right @ motion[:3, :3], right
