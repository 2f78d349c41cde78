# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tuned constants of the map, each with its measurement where one was kept.

They are no settings: after a change the tables of docs/accuracy.md are measured again. Ratios
without a unit are shares. ATE is in percent of the path.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MapTuning:
    """Constants of keyframes, their depths and their refinement."""

    # keyframe

    # Relative standard deviation of inverse depth below which it counts as known. Chosen by hand;
    # no figure kept.
    known_depth_sigma: float = 0.3
    # Relative standard deviation of the inverse depth of a new cell. Chosen by hand; no figure
    # kept.
    unknown_depth_sigma: float = 10.0
    # The same as a prior of bundle adjustment, where it only keeps depths finite. Chosen by hand;
    # no figure kept.
    unknown_prior_sigma: float = 30.0
    # Tangent of the angle from the optical axis, 85 degrees, beyond which no ray is used. There an
    # error of half a pixel of a 190-pixel fisheye (0.15 degrees) changes x / z by 3 %, nearly
    # linearly; at 89 degrees it is 15 %, and at 90 there is no x / z.
    max_ray_tangent: float = 11.43
    # Cells of known depth that give a median depth. Chosen by hand; no figure kept.
    min_cells_for_median: int = 10
    # Cells that link two keyframes, where frames between them are tracked: bundle adjustment and
    # triangulation have to be done between two pictures. ATE with twice as many is in
    # docs/accuracy.md ("How many cells are tracked").
    max_linked_cells: int = 500

    # depth_filter

    # Factor of the variance of filtered depths as a prior of bundle adjustment, since part of the
    # same matches are used there again as links: tum_fr2_desk's ATE is 1.2 %, and 1.9 without.
    filtered_depth_inflation: float = 20.0
    # Nearest points that a cell's depth is interpolated from, the largest distance, and what is
    # added to a distance before its inverse is the weight, in cells. Chosen by hand; no figure
    # kept.
    neighbours: int = 4
    neighbour_reach: float = 1.5
    neighbour_softening: float = 0.1
    # Relative standard deviation of the neighbours' inverse depths beyond which they lie on
    # different surfaces. Chosen by hand; no figure kept.
    max_relative_spread: float = 0.15

    # bundle_adjustment

    # Iterations at most, and the relative decrease of the cost that ends them. Chosen by hand; no
    # figure kept.
    window_iterations: int = 8
    window_convergence: float = 1e-4

    # covariance

    # Factor of a motion's covariance, for errors that neighbouring cells share beyond their common
    # pixels: perspective, and the network's own. Chosen on rendered rooms and streets: of 1180
    # normalised errors 91 % are within their 95 % bounds (docs/accuracy.md).
    correlated_errors: float = 3.0
    # Standard deviation of the logarithm of a scale that is carried into a new map. Chosen by
    # hand; no figure kept.
    carried_scale_sigma: float = 0.5

    # motion

    # Ratio of a cell's depth in the frame to that in the keyframe, below which it has none in the
    # frame. Chosen by hand; no figure kept.
    min_depth_ratio: float = 1e-3

    # keyframe_store

    # Old maps kept beside the one in use. Chosen by hand; no figure kept.
    max_old_maps: int = 2
    # Pixels, width and height of the thumbnails that candidates are ranked by, and the standard
    # deviation of their Gaussian blur. Chosen by hand; no figure kept.
    thumbnail_size: tuple[int, int] = (16, 12)
    thumbnail_blur: float = 1.0

    # lucas_kanade_triangulation

    # Keyframes before the newest in which its cells are triangulated. With all of the window a
    # keyframe took a quarter longer; ATE is in docs/accuracy.md ("How many cells are tracked").
    max_older_keyframes: int = 3
    # Cells in view below which an older keyframe is skipped. Chosen by hand; no figure kept.
    min_cells_in_view: int = 20
    # Pixels, standard deviation of a predicted position above which the cell is skipped. Chosen by
    # hand; no figure kept.
    max_prediction_sigma: float = 6.0
    # Ratio of depth in the older keyframe to that in the new one, below which a cell is skipped.
    # Chosen by hand; no figure kept.
    min_triangulation_depth_ratio: float = 0.1

    # map_alignment

    # Pixels within which two points of a frame are taken for one. Chosen by hand; no figure kept.
    max_shared_distance: float = 8.0
    # Points that both maps must share. Chosen by hand; no figure kept.
    min_shared_points: int = 15
    # Relative standard deviation of the difference in depth between two points this close, added
    # to that of each depth. Chosen by hand; no figure kept.
    shared_depth_sigma: float = 0.05
    # Standard deviations within which a ratio of depths agrees with the median, and the share
    # that must. Chosen by hand; no figure kept.
    agreeing_sigmas: float = 3.0
    min_agreeing_ratio: float = 0.5


TUNING = MapTuning()
