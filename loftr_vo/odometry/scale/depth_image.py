# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of cells from the registered depth image of a depth camera, with holes and noise."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.epipolar import rays_from_points
from loftr_vo.geometry.plausible import DEPTH, Refusals
from loftr_vo.geometry.robust_cost import SIGMA_PER_MAD
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.scale.cell_depth import CellDepth, NoReading
from loftr_vo.odometry.scale.tuning import TUNING

# Standard deviation of inverse depth in 1/m. Structured light and stereo measure a disparity, so
# it does not depend on the distance: 0.0019 for a Kinect at its worst (Nguyen, Izadi, Lovell:
# Modeling Kinect Sensor Noise, 2012), 0.0025 for a RealSense D435 (disparity to 0.08 px).
_DISPARITY_SIGMA = 0.0025


def depth_of_cells(keyframe: Keyframe, refusals: Refusals) -> CellDepth:
    """Return the depth of those cells around which the depth image shows one surface.

    Args:
        keyframe: with its depth image.
        refusals: counts images with implausible depths, which are taken for holes.

    Raises:
        NoReading: the frame has no depth image, or no depth in it.
    """
    if keyframe.frame.depth is None:
        raise NoReading('no depth image for this picture')
    points = keyframe.encoded.cell_centres() + keyframe.offsets
    around, refused = _inverse_depth_around(keyframe.frame, _at_depth_time(keyframe, points))
    refusals.add('depth image', int(refused))
    filled = np.isfinite(around)
    cells = np.flatnonzero(filled.mean(axis=1) >= TUNING.min_filled_ratio)
    if not len(cells):
        raise NoReading('the depth image has no depth')
    middle = np.nanmedian(around[cells], axis=1)
    spread = SIGMA_PER_MAD * np.nanmedian(np.abs(around[cells] - middle[:, None]), axis=1)
    variance = (
        _DISPARITY_SIGMA**2
        + (TUNING.depth_calibration_sigma * middle) ** 2
        + spread**2 / TUNING.depth_window**2
    )
    good = spread < TUNING.max_relative_spread * middle
    good &= variance < (TUNING.max_depth_sigma * middle) ** 2
    return CellDepth(cells[good], middle[good], variance[good])


def _at_depth_time(keyframe: Keyframe, points: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of points of the picture at the time of the depth image.

    It is registered to the picture but seldom taken at the same time. In the hand a camera rotates
    by ten pixels in a hundredth of a second.
    """
    rotation = keyframe.angular_velocity * (keyframe.frame.depth_lag * 1e-9)
    if np.linalg.norm(rotation) < TUNING.min_lag_rotation:
        return points
    camera = keyframe.frame.camera
    rays = rays_from_points(camera.undistort(points))
    # Row vectors times a rotation matrix: the inverse of the camera's rotation.
    moved: np.ndarray = camera.project(rays @ Rotation.from_rotvec(rotation).as_matrix())
    return np.where(np.isfinite(moved), moved, points)


def _inverse_depth_around(frame: Frame, points: np.ndarray) -> tuple[np.ndarray, bool]:
    """Inverse depth in windows around points of the picture.

    Returns:
        (N, window squared), NaN for none; and whether there are implausible depths.
    """
    depth = frame.depth
    assert depth is not None
    height, width = depth.shape
    per_pixel = np.array([width, height]) / frame.image.shape[::-1]
    x, y = ((points + 0.5) * per_pixel - 0.5).round().astype(int).T
    reach = np.arange(TUNING.depth_window) - TUNING.depth_window // 2
    rows = y[:, None, None] + reach[None, :, None]
    columns = x[:, None, None] + reach[None, None, :]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    values = depth[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)].astype(float)
    plausible = DEPTH.within(values)
    # Zero, infinity and NaN are holes (REP 117, REP 118).
    refused = bool(np.any(np.isfinite(values) & (values != 0) & ~plausible))
    with np.errstate(divide='ignore', invalid='ignore'):
        found = np.where(inside & plausible, 1 / values, np.nan)
    return found.reshape(len(points), -1), refused
