# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Cells of a keyframe followed from frame to frame without the network.

Between two pictures of a video little changes, and known depths tell nearly all of it. So a few
hundred cells are followed from the last frame by pyramidal Lucas-Kanade (Bouguet 2001) and give a
first pose; with it, depth predicts every other cell to within a pixel or two, those included that
the last frame did not see. From there ``lucas_kanade.locate`` finds them in the frame, from the
keyframe's own picture, forward and backward, so that nothing drifts from frame to frame.

What comes out are ``Matches`` as the network's are, and all that follows is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from loftr_vo.geometry.rigid_motion import split
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.map.keyframe import Keyframe, is_known
from loftr_vo.odometry.pose.depth_refinement import distance_by_depth
from loftr_vo.odometry.pose.known_depth_refinement import approach_by_depth
from loftr_vo.odometry.tracking.tracked_cells import (
    TrackedCells,
    as_matches,
    evenly,
    followable,
    in_image,
    moved_by,
    projected,
)
from loftr_vo.odometry.tracking.tuning import TUNING

_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, TUNING.iterations, TUNING.least_step)


@dataclass(frozen=True, eq=False)
class Predicted:
    """Where cells should be in a frame.

    Attributes:
        matches: the cells that are to be followed, keypoints1 near where they are.
        in_view: share of the keyframe's cells that could be followed which the frame sees.
    """

    matches: Matches
    in_view: float


def predict_matches(
    keyframe: Keyframe,
    seen: TrackedCells,
    frame: Frame,
    expected: np.ndarray,
    readout_rotation: np.ndarray,
) -> Predicted | None:
    """Predict where cells of the keyframe are in a frame, near enough to be located there.

    More cells than make a pose exact are not followed: of known depth so many, since the others
    are found by it at any time, and of unknown depth so many.

    Args:
        keyframe: the keyframe.
        seen: its cells in the last frame.
        frame: the frame.
        expected: (4, 4) frame from keyframe if the camera goes on as it went.
        readout_rotation: (3,) radians, of the frame, see ``rolling_shutter.model``.

    Returns:
        None where too few cells of known depth agree on a motion.
    """
    textured = followable(keyframe)
    seen = seen.select(textured.take(seen.cells))
    known = is_known(seen.inverse_depth, keyframe.variance.take(seen.cells))
    if np.count_nonzero(known) < TUNING.min_pose_cells:
        return _predicted_by_pixels(keyframe, seen, frame, expected, readout_rotation)
    witnesses = seen.select(evenly(np.flatnonzero(known), TUNING.max_pose_cells))
    pose = _approached(keyframe, witnesses, frame, expected, readout_rotation)
    if pose is None:
        return None
    of_depth = evenly(np.flatnonzero(known), TUNING.max_known_cells)
    most = TUNING.max_known_cells + TUNING.max_unknown_cells
    of_none = evenly(np.flatnonzero(~known), most - len(of_depth))
    chosen = np.concatenate([of_depth, of_none])
    again = textured & keyframe.known
    visible = in_image(
        projected(keyframe, np.flatnonzero(again), frame, pose, readout_rotation), frame
    )
    followed = seen.select(chosen)
    again[np.flatnonzero(again)[~visible]] = False
    again[followed.cells] = False
    missing = max(0, TUNING.max_known_cells - np.count_nonzero(known))
    others = evenly(np.flatnonzero(again), missing)
    matches = as_matches(
        keyframe,
        frame,
        np.concatenate([followed.cells, others]),
        np.concatenate(
            [
                moved_by(keyframe, followed, frame, pose, readout_rotation),
                projected(keyframe, others, frame, pose, readout_rotation),
            ]
        ),
    )
    return Predicted(matches, float(np.mean(visible)) if len(visible) else 0.0)


def _predicted_by_pixels(
    keyframe: Keyframe,
    seen: TrackedCells,
    frame: Frame,
    expected: np.ndarray,
    readout_rotation: np.ndarray,
) -> Predicted:
    """Predict by following cells from the last frame, while no depth tells where they are."""
    most = TUNING.max_known_cells + TUNING.max_unknown_cells
    followed = seen.select(evenly(np.argsort(seen.cells), most))
    found, places = _followed(keyframe, followed, frame, expected, readout_rotation)
    matches = as_matches(keyframe, frame, followed.cells[found], places[found])
    return Predicted(matches, len(matches) / max(len(followed.cells), 1))


def depth_was_carried(keyframe: Keyframe) -> bool:
    """Whether a new keyframe has depth for cells enough to be followed from its first frame on.

    After something hid most of the view it has not, and the network sees more of it.
    """
    cells = followable(keyframe)
    known = np.count_nonzero(cells & keyframe.known)
    return bool(known >= TUNING.min_carried_ratio * np.count_nonzero(cells))


def _approached(
    keyframe: Keyframe,
    witnesses: TrackedCells,
    frame: Frame,
    expected: np.ndarray,
    readout_rotation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rotation and translation, frame from keyframe, that cells of known depth agree on."""
    found, places = _followed(keyframe, witnesses, frame, expected, readout_rotation)
    if found.sum() < TUNING.min_pose_cells:
        return None
    witnesses, places = witnesses.select(found), places[found]
    count = len(places)
    information = np.broadcast_to(np.eye(2) / TUNING.track_sigma**2, (count, 2, 2))
    located = LocatedMatches(places, information, np.ones(count, bool))
    observations, kept = keyframe.observed(
        witnesses.cells, located, frame.camera, readout_rotation
    )
    if len(kept) < TUNING.min_pose_cells:
        return None
    observations = replace(observations, prior=witnesses.inverse_depth.take(kept))
    rotation, translation = approach_by_depth(observations, *split(expected))
    away = distance_by_depth(observations, rotation, translation)
    agreeing = np.count_nonzero(away < TUNING.agreeing_pixels)
    return (rotation, translation) if agreeing >= TUNING.min_agreeing_ratio * len(away) else None


def _followed(
    keyframe: Keyframe,
    seen: TrackedCells,
    frame: Frame,
    expected: np.ndarray,
    readout_rotation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Follow cells from the last frame; return (N,) whether, and (N, 2) pixels where."""
    start = moved_by(keyframe, seen, frame, split(expected), readout_rotation)
    start = np.where(np.isfinite(start), start, seen.places)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        seen.frame.normalised,
        frame.normalised,
        np.array(seen.places[:, None], np.float32, order='C'),
        np.array(start[:, None], np.float32, order='C'),
        winSize=(TUNING.window, TUNING.window),
        maxLevel=TUNING.levels,
        criteria=_CRITERIA,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW | cv2.OPTFLOW_LK_GET_MIN_EIGENVALS,
        minEigThreshold=TUNING.least_eigenvalue,
    )
    return found[:, 0] > 0, moved[:, 0].astype(np.float64)


def enough_tracked(followed: int, tried: int) -> bool:
    """Whether so many cells, of those that should be in view, do without the network."""
    return followed >= max(TUNING.min_tracked, TUNING.min_tracked_ratio * tried)
