# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tracks of a keyframe's cells between keyframes, without the network.

Between two pictures of a video little changes, and known depths predict nearly all of it. Some
cells are tracked from the last frame by pyramidal Lucas-Kanade (Bouguet 2001) and give a first
pose. With it, depth predicts all others to a pixel or two, those included that the last frame did
not see. ``lucas_kanade.locate`` then finds them from the keyframe's own picture, forwards and
backwards, so that nothing drifts from frame to frame.

The result is ``Matches``, as by the network, and all later steps are the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from loftr_vo.geometry.rigid_motion import split
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.matching.matches import Matches
from loftr_vo.matching.optical_flow import FlowOptions, optical_flow
from loftr_vo.odometry.map.keyframe import Keyframe, is_known
from loftr_vo.odometry.pose.depth_refinement import distance_by_depth
from loftr_vo.odometry.pose.known_depth_refinement import solve_by_known_depth
from loftr_vo.odometry.tracking.tracked_cells import (
    TrackedCells,
    as_matches,
    evenly,
    in_image,
    moved_pixels,
    projected,
    trackable,
)
from loftr_vo.odometry.tracking.tuning import TUNING


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predicted positions of cells in a frame.

    Attributes:
        matches: the cells to locate, keypoints1 their predicted positions.
        in_view: share of the keyframe's trackable cells of known depth that are in view.
        sampled: share of its trackable cells in view that are selected.
    """

    matches: Matches
    in_view: float
    sampled: float

    @classmethod
    def of(cls, matches: Matches, in_view: float, textured: np.ndarray) -> Predicted:
        """Count what there is to select from; ``textured`` (C,) are the trackable cells."""
        there = in_view * np.count_nonzero(textured)
        return cls(matches, in_view, min(1.0, len(matches) / max(there, 1.0)))


def predict_matches(
    keyframe: Keyframe,
    tracked: TrackedCells,
    frame: Frame,
    expected: np.ndarray,
    readout_rotation: np.ndarray,
) -> Predicted | None:
    """Predict where cells of the keyframe are in a frame, near enough to be located there.

    Only as many cells are selected as a pose needs. Others of known depth can be projected at any
    time (``track_completion``).

    Args:
        keyframe: the keyframe.
        tracked: its cells in the last frame.
        frame: the frame.
        expected: (4, 4) predicted motion, frame from keyframe.
        readout_rotation: (3,) radians, of the frame, see ``rolling_shutter.model``.

    Returns:
        None where too few cells of known depth agree on a motion.
    """
    textured = trackable(keyframe)
    tracked = tracked.select(textured.take(tracked.cells))
    known = is_known(tracked.inverse_depth, keyframe.variance.take(tracked.cells))
    if np.count_nonzero(known) < TUNING.min_pose_cells:
        return _predicted_by_pixels(keyframe, tracked, frame, expected, readout_rotation, textured)
    pose_cells = tracked.select(evenly(np.flatnonzero(known), TUNING.max_pose_cells))
    # A camera that is pushed or turns back does not go on at its velocity.
    for guess in (expected, tracked.frame_from_keyframe):
        pose = _initial_pose(keyframe, pose_cells, frame, guess, readout_rotation)
        if pose is not None:
            break
    else:
        return None
    of_known = evenly(np.flatnonzero(known), TUNING.max_known_cells)
    most = TUNING.max_known_cells + TUNING.max_unknown_cells
    of_unknown = evenly(np.flatnonzero(~known), most - len(of_known))
    chosen = np.concatenate([of_known, of_unknown])
    others_known = textured & keyframe.known
    in_view = in_image(
        projected(keyframe, np.flatnonzero(others_known), frame, pose, readout_rotation), frame
    )
    selected = tracked.select(chosen)
    others_known[np.flatnonzero(others_known)[~in_view]] = False
    others_known[selected.cells] = False
    missing = max(0, TUNING.max_known_cells - np.count_nonzero(known))
    others = evenly(np.flatnonzero(others_known), missing)
    matches = as_matches(
        keyframe,
        frame,
        np.concatenate([selected.cells, others]),
        np.concatenate(
            [
                moved_pixels(keyframe, selected, frame, pose, readout_rotation),
                projected(keyframe, others, frame, pose, readout_rotation),
            ]
        ),
    )
    return Predicted.of(matches, float(np.mean(in_view)) if len(in_view) else 0.0, textured)


def _predicted_by_pixels(
    keyframe: Keyframe,
    tracked: TrackedCells,
    frame: Frame,
    expected: np.ndarray,
    readout_rotation: np.ndarray,
    textured: np.ndarray,
) -> Predicted:
    """Predict by tracking cells from the last frame, while no depth is known."""
    most = TUNING.max_known_cells + TUNING.max_unknown_cells
    selected = tracked.select(evenly(np.argsort(tracked.cells), most))
    found, pixels = _track(keyframe, selected, frame, expected, readout_rotation)
    matches = as_matches(keyframe, frame, selected.cells[found], pixels[found])
    in_view = len(matches) / max(len(selected.cells), 1)
    return Predicted.of(matches, in_view, textured)


def depth_was_carried(keyframe: Keyframe, *, live: bool) -> bool:
    """Whether enough cells of a new keyframe have depth to be tracked from its first frame on.

    After an occlusion of most of the view too few do; the network then matches the next frame. A
    live camera does not wait for that as long as there are enough for a pose: the network matches
    the keyframe with the one before meanwhile.
    """
    cells = trackable(keyframe)
    known = np.count_nonzero(cells & keyframe.known)
    if live and known >= TUNING.min_tracked:
        return True
    return bool(known >= TUNING.min_carried_ratio * np.count_nonzero(cells))


def _initial_pose(
    keyframe: Keyframe,
    pose_cells: TrackedCells,
    frame: Frame,
    expected: np.ndarray,
    readout_rotation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rotation and translation, frame from keyframe, that cells of known depth agree on."""
    found, pixels = _track(keyframe, pose_cells, frame, expected, readout_rotation)
    if found.sum() < TUNING.min_pose_cells:
        return None
    pose_cells, pixels = pose_cells.select(found), pixels[found]
    count = len(pixels)
    information = np.broadcast_to(np.eye(2) / TUNING.track_sigma**2, (count, 2, 2))
    located = LocatedMatches(pixels, information, np.ones(count, bool))
    observations, kept = keyframe.observed(
        pose_cells.cells, located, frame.camera, readout_rotation
    )
    if len(kept) < TUNING.min_pose_cells:
        return None
    observations = replace(observations, prior=pose_cells.inverse_depth.take(kept))
    rotation, translation = solve_by_known_depth(observations, *split(expected))
    distance = distance_by_depth(observations, rotation, translation)
    agreeing = np.count_nonzero(distance < TUNING.agreeing_pixels)
    return (
        (rotation, translation) if agreeing >= TUNING.min_agreeing_ratio * len(distance) else None
    )


def _track(
    keyframe: Keyframe,
    tracked: TrackedCells,
    frame: Frame,
    expected: np.ndarray,
    readout_rotation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Track N cells from the last frame; return whether they are found, and pixels (N, 2)."""
    start = moved_pixels(keyframe, tracked, frame, split(expected), readout_rotation)
    start = np.where(np.isfinite(start), start, tracked.pixels)
    moved, found, _ = optical_flow(
        tracked.frame.normalised,
        frame.normalised,
        tracked.pixels,
        start,
        _flow_options(frame.image.shape[1]),
        positions_only=True,
    )
    return found, moved.astype(np.float64)


def _flow_options(width: int) -> FlowOptions:
    """Options for pictures of a width: a pyramid up to pictures of the same size.

    So the same motion is followed, whatever the resolution of the camera.
    """
    levels = round(math.log2(width / TUNING.coarsest_width))
    return FlowOptions(
        TUNING.window,
        max(TUNING.least_levels, levels),
        TUNING.iterations,
        TUNING.least_step,
        TUNING.least_eigenvalue,
    )


def enough_tracked(tracked: int, tried: int) -> bool:
    """Whether so many cells, of those that should be in view, are enough for a pose."""
    return tracked >= max(TUNING.min_tracked, TUNING.min_tracked_ratio * tried)
