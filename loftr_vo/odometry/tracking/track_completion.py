# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Matches of all of a keyframe's cells with a frame whose pose is known by some of them.

A pose needs a few hundred cells, a new keyframe the depths of all. So the others are located when
the frame becomes the keyframe, with the pose held fixed: at the projection by their depth, or by
that of the nearest cell of known depth.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
from scipy.spatial import cKDTree

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.rigid_motion import split
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.map.depth_filter import update_depth
from loftr_vo.odometry.map.keyframe import Keyframe, locate_matches
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.pose.depth_refinement import (
    excess_variance,
    measured_variance,
    refine_depth,
)
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_refinement import inlier_mask
from loftr_vo.odometry.tracking.tracked_cells import as_matches, projected, trackable

_Arrays = TypeVar('_Arrays', Matches, Observations)


def complete_tracks(
    keyframe: Keyframe, frame: Frame, motion: Motion, settings: GeometrySettings
) -> Motion:
    """Return the motion with all trackable cells of the keyframe that are found in the frame.

    The keyframe's depths are updated with the new ones.

    Args:
        keyframe: the keyframe, updated with the motion already.
        frame: the frame.
        motion: between them, by tracks of some cells.
        settings: thresholds.
    """
    left = trackable(keyframe)
    left[motion.matches.cells] = False
    cells = np.flatnonzero(left)
    if not len(cells) or not keyframe.known.any():
        return motion
    pose = split(motion.frame_from_keyframe)
    readout_rotation = motion.readout.readout_rotation
    depths = nearest_depths(keyframe, cells)
    matches = as_matches(
        keyframe, frame, cells, projected(keyframe, cells, frame, pose, readout_rotation, depths)
    )
    if not len(matches):
        return motion
    located = locate_matches(keyframe, frame, matches, settings)
    found = np.flatnonzero(located.tracked)
    matches, located = matches.select(found), located.select(found)
    observations, kept = keyframe.observed(matches.cells, located, frame.camera, readout_rotation)
    if not len(kept):
        return motion
    matches, located = matches.select(kept), located.select(kept)
    observations = observations.with_inflated_noise(excess_variance(observations, *pose))
    refined = refine_depth(observations, *pose)
    others = replace(
        motion,
        matches=replace(matches, keypoints1=located.points.astype(np.float32)),
        inliers=inlier_mask(refined, keyframe.threshold(settings)),
        inverse_depth=refined.inverse_depth,
        depth_variance=refined.depth_variance,
        measured_variance=measured_variance(refined.depth_variance, observations.variance),
        observations=observations,
        pixels=located.points + keyframe.offsets.take(matches.cells, axis=0),
    )
    update_depth(keyframe, others)
    return _joined(motion, others)


def nearest_depths(keyframe: Keyframe, cells: np.ndarray) -> np.ndarray:
    """Inverse depths (N,) of cells: their own where known, else that of the nearest known cell."""
    known = keyframe.known
    centres = keyframe.encoded.cell_centres()
    nearest = cKDTree(centres[known]).query(centres[cells])[1]
    depths = np.flatnonzero(known)[nearest]
    return keyframe.inverse_depth[np.where(known[cells], cells, depths)]


def _joined(first: Motion, second: Motion) -> Motion:
    """Return the first motion with the matches of both."""
    return replace(
        first,
        matches=_all_fields(Matches, first.matches, second.matches),
        observations=_all_fields(Observations, first.observations, second.observations),
        inliers=np.concatenate([first.inliers, second.inliers]),
        inverse_depth=np.concatenate([first.inverse_depth, second.inverse_depth]),
        depth_variance=np.concatenate([first.depth_variance, second.depth_variance]),
        measured_variance=np.concatenate([first.measured_variance, second.measured_variance]),
        pixels=np.concatenate([first.pixels, second.pixels]),
    )


def _all_fields(kind: type[_Arrays], first: _Arrays, second: _Arrays) -> _Arrays:
    """Concatenate the arrays of two objects, field by field."""
    return kind(
        *(
            np.concatenate([getattr(first, entry.name), getattr(second, entry.name)])
            for entry in fields(kind)
        )
    )
