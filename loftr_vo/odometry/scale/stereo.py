# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of cells from the right picture of a stereo pair, matched by LoFTR."""

from __future__ import annotations

import dataclasses

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.epipolar import inverse_depth
from loftr_vo.geometry.rigid_motion import split
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matcher import Matcher
from loftr_vo.odometry.map.keyframe import Keyframe, locate_matches
from loftr_vo.odometry.pose.depth_refinement import refine_depth
from loftr_vo.odometry.pose.pose_refinement import inlier_mask
from loftr_vo.odometry.scale.cell_depth import CellDepth, NoReading
from loftr_vo.odometry.scale.tuning import TUNING


def depth_of_cells(keyframe: Keyframe, matcher: Matcher, settings: GeometrySettings) -> CellDepth:
    """Match the keyframe with its right picture and triangulate.

    A match is used if it is on its epipolar line and in front of both cameras.

    Raises:
        NoReading: the frame has no right picture, or too few matches that fit the calibration.
    """
    right = keyframe.frame.right
    if right is None:
        raise NoReading('no right picture for this one')
    matches = matcher.match(keyframe.encoded, matcher.encode(right.image)).result()
    if not len(matches):
        raise NoReading('the right picture has no matches with the left one')
    frame = Frame(right.image, keyframe.frame.stamp, right.camera)
    located = locate_matches(keyframe, frame, matches, settings)
    # Both cameras rotate together, and read their rows at the same time.
    observations, kept = keyframe.observed(
        matches.cells, located, right.camera, keyframe.readout_rotation
    )
    cells = matches.cells[kept]
    if not len(cells):
        raise NoReading('no match with the right picture lies where both lenses have rays')
    motion = split(right.right_from_left)
    start = inverse_depth(observations.rays0, observations.rays1, *motion)
    # A prior without weight: only this pair counts.
    free = dataclasses.replace(
        observations, prior=start, variance=np.full(len(start), 1e6 / np.sum(motion[1] ** 2))
    )
    refined = refine_depth(free, *motion)
    good = inlier_mask(refined, keyframe.threshold(settings))
    if good.sum() < TUNING.min_stereo_inlier_ratio * len(good):
        raise NoReading(
            f'only {good.sum()} of {len(good)} matches with the right picture lie on their '
            'epipolar line: are the pictures of one time, and is the pair calibrated?'
        )
    rho = refined.inverse_depth
    variance = refined.depth_variance + (TUNING.stereo_calibration_sigma * rho) ** 2
    good &= (rho > 0) & (variance < (TUNING.max_depth_sigma * rho) ** 2)
    return CellDepth(cells[good], rho[good], variance[good])
