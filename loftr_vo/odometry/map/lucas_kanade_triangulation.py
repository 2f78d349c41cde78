# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Triangulation of a new keyframe's cells in older keyframes, located by Lucas-Kanade."""

from __future__ import annotations

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.rigid_motion import inverse_transform, split
from loftr_vo.matching.lucas_kanade import LocatedMatches, locate
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.map.keyframe import Keyframe, Link
from loftr_vo.odometry.map.tuning import TUNING
from loftr_vo.odometry.pose.depth_refinement import excess_variance, refine_depth
from loftr_vo.odometry.pose.pose_refinement import inlier_mask
from loftr_vo.odometry.rolling_shutter.model import project_row_by_row


def triangulate_by_tracking(
    keyframe: Keyframe, older: Keyframe, settings: GeometrySettings, most: int | None = None
) -> None:
    """Improve the depth of cells seen in an older keyframe too, and link the keyframes.

    Both poses are held fixed. Cells of known depth are projected into the older keyframe and
    located there by Lucas-Kanade. The network is not used: pose and depths already follow from its
    match with the keyframe before, and matching again would only repeat the same errors.

    Args:
        keyframe: the new one.
        older: another one.
        settings: thresholds.
        most: number of cells to locate at most, evenly selected; all where not given.
    """
    expected = _expected_matches(keyframe, older)
    if most is not None and len(expected) > most:
        expected = expected.select(np.arange(most) * len(expected) // most)
    if len(expected) < TUNING.min_cells_in_view:
        return
    located = locate(
        keyframe.frame.normalised,
        keyframe.texture.select(expected.cells),
        older.frame.normalised,
        expected,
    )
    _update(
        keyframe, older, expected.cells[located.tracked], located.select(located.tracked), settings
    )


def _expected_matches(keyframe: Keyframe, older: Keyframe) -> Matches:
    rotation, translation = split(inverse_transform(older.pose) @ keyframe.pose)
    cells = np.flatnonzero(keyframe.known)
    rho = keyframe.inverse_depth[cells]
    points = keyframe.rays[cells] @ rotation.T / rho[:, None] + translation
    seen = points[:, 2] * rho > TUNING.min_triangulation_depth_ratio
    cells, points, rho = cells[seen], points[seen], rho[seen]
    # Displacement of the projection by a standard deviation of rho, before the division by z.
    moved = np.linalg.norm(translation) * np.sqrt(keyframe.variance[cells])
    by_ray = older.frame.camera.pixel_by_ray(points[:, :2] / points[:, 2:])
    pixels_per_ray = np.sqrt(np.sum(by_ray**2, axis=(1, 2)) / 2)
    sigma = pixels_per_ray * moved / (points[:, 2] * rho)
    seen = sigma < TUNING.max_prediction_sigma
    cells, points, sigma = cells[seen], points[seen], sigma[seen]
    pixels = project_row_by_row(points, older.frame.camera, older.readout_rotation)
    pixels -= keyframe.offsets[cells]
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
    keyframe: Keyframe,
    older: Keyframe,
    cells: np.ndarray,
    located: LocatedMatches,
    settings: GeometrySettings,
) -> None:
    camera = older.frame.camera
    observations, kept = keyframe.observed(cells, located, camera, older.readout_rotation)
    cells = cells[kept]
    motion = split(inverse_transform(older.pose) @ keyframe.pose)
    observations = observations.with_inflated_noise(excess_variance(observations, *motion))
    refined = refine_depth(observations, *motion)
    good = inlier_mask(refined, keyframe.threshold(settings))
    good &= refined.inverse_depth > 0
    cells = cells[good]
    keyframe.inverse_depth[cells] = refined.inverse_depth[good]
    keyframe.variance[cells] = refined.depth_variance[good]
    keyframe.links.append(
        Link(older, cells, observations.rays1[good], observations.whitening[good])
    )
