# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The matches in space: lines between the keyframe's picture and the camera's."""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.rigid_motion import transform_points
from loftr_vo.imaging.camera import Camera
from loftr_vo.odometry.estimate import Estimate

# How far before a camera its picture is drawn, in units of length of the odometry.
PICTURE_DEPTH = 0.5
# So many lines are made in a few milliseconds and drawn without a stutter.
MAX_MATCHES = 300


def match_segments(estimate: Estimate, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return (I, 2, 3) and (O, 2, 3) ends of the lines of inliers and outliers, in the world.

    Of many matches an even choice is drawn.
    """
    if estimate.matches is None or estimate.inliers is None:
        return np.empty((0, 2, 3)), np.empty((0, 2, 3))
    matches, chosen = estimate.matches, even_choice(len(estimate.matches), MAX_MATCHES)
    starts = transform_points(
        estimate.keyframe_pose, _on_picture(camera, matches.keypoints0[chosen])
    )
    ends = transform_points(estimate.pose, _on_picture(camera, matches.keypoints1[chosen]))
    segments = np.stack([starts, ends], axis=1)
    visible, agrees = np.isfinite(segments).all(axis=(1, 2)), estimate.inliers[chosen]
    return segments[visible & agrees], segments[visible & ~agrees]


def even_choice(count: int, most: int) -> np.ndarray:
    """Return at most so many indices below ``count``, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def _on_picture(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    rays = camera.undistort(pixels)
    return PICTURE_DEPTH * np.column_stack([rays, np.ones(len(rays))])
