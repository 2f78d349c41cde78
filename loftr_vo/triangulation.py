# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth for the cells of a new keyframe, from the keyframes before it."""

from __future__ import annotations

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry import inverse_transform, rays_from_points, split
from loftr_vo.keyframe import Keyframe
from loftr_vo.matches import Matches
from loftr_vo.pose_refinement import refine_depth
from loftr_vo.subpixel import refine_subpixel

# Fewer cells than this in view, and looking back at a keyframe does not pay.
_FEWEST_IN_VIEW = 20
_FARTHEST_PREDICTION = 6.0  # pixels; where a cell should be seen must be known to this


def triangulate_matches(
    keyframe: Keyframe, older: Keyframe, matches: Matches, settings: GeometrySettings
) -> None:
    """Improve the depth of matched cells, both poses taken as known.

    Args:
        keyframe: the new one, with what depth it has.
        older: another one.
        matches: of the network, keypoints0 in ``keyframe``.
        settings: thresholds.
    """
    if settings.refine_matches:
        matches, _ = refine_subpixel(keyframe.frame.image, older.frame.image, matches)
    _update(keyframe, older, matches, settings)


def triangulate_by_tracking(
    keyframe: Keyframe, older: Keyframe, settings: GeometrySettings
) -> None:
    """Look back at a keyframe further away: a wider baseline, without the network.

    Cells whose depth is known say where they should be seen there; Lucas-Kanade says where they
    are.
    """
    expected = _expected_matches(keyframe, older)
    if len(expected) < _FEWEST_IN_VIEW:
        return
    tracked, refined = refine_subpixel(keyframe.frame.image, older.frame.image, expected)
    _update(keyframe, older, tracked.select(refined), settings)


def _expected_matches(keyframe: Keyframe, older: Keyframe) -> Matches:
    rotation, translation = split(inverse_transform(older.pose) @ keyframe.pose)
    cells = np.flatnonzero(keyframe.known)
    rho = keyframe.inverse_depth[cells]
    points = keyframe.rays[cells] @ rotation.T / rho[:, None] + translation
    # A standard deviation of rho moves the picture of the point by about this much.
    moved = np.linalg.norm(translation) * np.sqrt(keyframe.variance[cells])
    sigma = older.frame.camera.focal * moved / np.maximum(points[:, 2] * rho, 1e-6)
    seen = (points[:, 2] * rho > 0.1) & (sigma < _FARTHEST_PREDICTION)
    cells, points, sigma = cells[seen], points[seen], sigma[seen]
    pixels = older.frame.camera.project(points)
    height, width = older.frame.image.shape
    inside = ((pixels >= 0) & (pixels <= (width - 1, height - 1))).all(axis=1)
    cells = cells[inside]
    return Matches(
        keyframe.encoded.cell_centres()[cells].astype(np.float32),
        pixels[inside].astype(np.float32),
        np.ones(len(cells), np.float32),
        sigma[inside].astype(np.float32),
        cells,
    )


def _update(
    keyframe: Keyframe, older: Keyframe, matches: Matches, settings: GeometrySettings
) -> None:
    camera = older.frame.camera
    rays1 = rays_from_points(camera.undistort(matches.keypoints1))
    observations = keyframe.observed(matches, rays1, camera.focal)
    refined = refine_depth(observations, *split(inverse_transform(older.pose) @ keyframe.pose))
    good = refined.error * observations.sigma < settings.ransac_threshold / camera.focal
    good &= refined.inverse_depth > 0
    cells = matches.cells[good]
    keyframe.inverse_depth[cells] = refined.inverse_depth[good]
    keyframe.variance[cells] = refined.depth_variance[good]
