# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Alignment of two maps in which one frame was located: rotation, translation and scale."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.spatial import cKDTree

from loftr_vo.geometry.rigid_motion import split
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.map.tuning import TUNING


def align_maps(
    keyframes: Iterable[Keyframe],
    keyframe: Keyframe,
    motion: Motion,
    other: Keyframe,
    other_motion: Motion,
) -> None:
    """Transform a map to another one; nothing happens where they share too little depth.

    Args:
        keyframes: of the map to move.
        keyframe: one of them.
        motion: of a frame against it.
        other: a keyframe of the other map.
        other_motion: of the same frame against that.
    """
    scale = scale_between(motion, other_motion)
    if scale is None:
        return
    rotation, position = split(motion.pose_from(keyframe))
    other_rotation, other_position = split(other_motion.pose_from(other))
    rotation_between = other_rotation @ rotation.T
    shift = other_position - scale * rotation_between @ position
    for each in keyframes:
        each.move(rotation_between, shift, scale)


def scale_between(motion: Motion, other_motion: Motion) -> float | None:
    """Return the ratio of lengths in the second map to the first, from one frame in both.

    It is the median ratio of the depths of points of the frame that are known in both maps; None
    where they are few, or their ratios contradict each other.
    """
    pixels, inverse_depth, variance = motion.depth_in_frame()
    other_pixels, other_inverse_depth, other_variance = other_motion.depth_in_frame()
    if min(len(pixels), len(other_pixels)) < TUNING.min_shared_points:
        return None
    distance, index = cKDTree(other_pixels).query(pixels)
    shared = distance < TUNING.max_shared_distance
    shared[shared] = other_inverse_depth[index[shared]] > 0
    shared &= inverse_depth > 0
    if shared.sum() < TUNING.min_shared_points:
        return None
    depth, other_depth = inverse_depth[shared], other_inverse_depth[index[shared]]
    relative_variance = (
        variance[shared] / depth**2 + other_variance[index[shared]] / other_depth**2
    )
    sigma = np.sqrt(relative_variance + TUNING.shared_depth_sigma**2)
    ratio = depth / other_depth
    scale = float(np.median(ratio))
    agree = np.abs(np.log(ratio / scale)) < TUNING.agreeing_sigmas * sigma
    return scale if np.mean(agree) > TUNING.min_agreeing_ratio else None
