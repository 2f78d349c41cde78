# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of cells from a registered depth image, as depth cameras give it: with holes and noise."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.epipolar import rays_from_points
from loftr_vo.geometry.plausible import DEPTH, Refusals
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.scale.cell_depth import CellDepth, NoReading

# Standard deviation of inverse depth in 1/m. Structured light and stereo measure a disparity, so
# it does not depend on the distance: 0.0019 for a Kinect at its worst (Nguyen, Izadi, Lovell:
# Modeling Kinect Sensor Noise, 2012), 0.0025 for a RealSense D435 (disparity to 0.08 px).
_DISPARITY_SIGMA = 0.0025
# What a calibration leaves, relative: it does not become less over a window.
_RELATIVE_SIGMA = 0.01
# Pixels of the depth image that are looked at around a cell, along each axis.
_WINDOW = 5
# Share of them that must have depth.
_FILLED = 0.5
# An edge runs through a window whose inverse depths are spread by more, relatively.
_ONE_SURFACE = 0.08
# Depth less sure than this says nothing of scale.
_KNOWN = 0.2
# Radians that the camera turns before the depth image; of less, nothing is seen in its pixels.
_NEGLIGIBLE = 0.001


def depth_of_cells(keyframe: Keyframe, refusals: Refusals) -> CellDepth:
    """Return the depth of those cells around which the depth image shows one surface.

    Args:
        keyframe: with its depth image.
        refusals: counts images with depths that cannot be; these are taken for holes.

    Raises:
        NoReading: the frame has no depth image, or no depth in it.
    """
    if keyframe.frame.depth is None:
        raise NoReading('no depth image for this picture')
    places = keyframe.encoded.cell_centres() + keyframe.offsets
    around, refused = _inverse_depth_around(keyframe.frame, _in_the_depth_image(keyframe, places))
    refusals.add('depth image', int(refused))
    filled = np.isfinite(around)
    cells = np.flatnonzero(filled.mean(axis=1) >= _FILLED)
    if not len(cells):
        raise NoReading('the depth image has no depth')
    middle = np.nanmedian(around[cells], axis=1)
    spread = 1.4826 * np.nanmedian(np.abs(around[cells] - middle[:, None]), axis=1)
    variance = _DISPARITY_SIGMA**2 + (_RELATIVE_SIGMA * middle) ** 2 + spread**2 / _WINDOW**2
    good = (spread < _ONE_SURFACE * middle) & (variance < (_KNOWN * middle) ** 2)
    return CellDepth(cells[good], middle[good], variance[good])


def _in_the_depth_image(keyframe: Keyframe, points: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) where points of the picture were when the depth image was taken.

    It is registered to the picture but seldom taken at the same moment, and in a hand that turns a
    hundredth of a second is ten pixels.
    """
    turned = keyframe.angular_velocity * (keyframe.frame.depth_lag * 1e-9)
    if np.linalg.norm(turned) < _NEGLIGIBLE:
        return points
    camera = keyframe.frame.camera
    rays = rays_from_points(camera.undistort(points))
    # Rows of vectors times a rotation: that of the world as the camera sees it, the camera's back.
    moved: np.ndarray = camera.project(rays @ Rotation.from_rotvec(turned).as_matrix())
    return np.where(np.isfinite(moved), moved, points)


def _inverse_depth_around(frame: Frame, points: np.ndarray) -> tuple[np.ndarray, bool]:
    """Inverse depth at pixels around points of the picture.

    Returns:
        (N, window squared), NaN for none; and whether there are depths that cannot be.
    """
    depth = frame.depth
    assert depth is not None
    height, width = depth.shape
    per_pixel = np.array([width, height]) / frame.image.shape[::-1]
    x, y = ((points + 0.5) * per_pixel - 0.5).round().astype(int).T
    reach = np.arange(_WINDOW) - _WINDOW // 2
    rows = y[:, None, None] + reach[None, :, None]
    columns = x[:, None, None] + reach[None, None, :]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    values = depth[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)].astype(float)
    plausible = DEPTH.within(values)
    # Zero, infinity and what is not a number stand for holes (REP 117, REP 118).
    refused = bool(np.any(np.isfinite(values) & (values != 0) & ~plausible))
    with np.errstate(divide='ignore', invalid='ignore'):
        found = np.where(inside & plausible, 1 / values, np.nan)
    return found.reshape(len(points), -1), refused
