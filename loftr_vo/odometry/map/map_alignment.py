# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Two maps that see one place: where one lies in the other, and in what scale."""

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
    motion_there: Motion,
) -> None:
    """Move a map to where it lies in another one; nothing where they share too little depth.

    Args:
        keyframes: of the map to move.
        keyframe: one of them.
        motion: a frame's, from it.
        other: a keyframe of the other map.
        motion_there: the same frame's, from that.
    """
    scale = scale_between(motion, motion_there)
    if scale is None:
        return
    rotation, position = split(motion.pose_from(keyframe))
    rotation_there, position_there = split(motion_there.pose_from(other))
    turn = rotation_there @ rotation.T
    shift = position_there - scale * turn @ position
    for each in keyframes:
        each.move(turn, shift, scale)


def scale_between(motion: Motion, motion_there: Motion) -> float | None:
    """Return how many times longer lengths are in the second map, from one frame seen in both.

    It is the median ratio of the depths of points of the frame that both maps know; None where
    they are few, or their ratios contradict each other.
    """
    pixels, inverse_depth, variance = motion.seen_depth()
    pixels_there, inverse_depth_there, variance_there = motion_there.seen_depth()
    if min(len(pixels), len(pixels_there)) < TUNING.min_shared_points:
        return None
    distance, index = cKDTree(pixels_there).query(pixels)
    shared = distance < TUNING.max_shared_distance
    shared[shared] = inverse_depth_there[index[shared]] > 0
    shared &= inverse_depth > 0
    if shared.sum() < TUNING.min_shared_points:
        return None
    here, there = inverse_depth[shared], inverse_depth_there[index[shared]]
    relative_variance = variance[shared] / here**2 + variance_there[index[shared]] / there**2
    sigma = np.sqrt(relative_variance + TUNING.shared_depth_sigma**2)
    ratio = here / there
    scale = float(np.median(ratio))
    agree = np.abs(np.log(ratio / scale)) < TUNING.agreeing_sigmas * sigma
    return scale if np.mean(agree) > TUNING.min_agreeing_ratio else None
