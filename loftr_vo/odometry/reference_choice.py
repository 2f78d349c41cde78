# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The choice of a reference: the newest keyframe, the last frame, or an older keyframe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.image_quality import empty_image_reason
from loftr_vo.odometry.keyframe_manager import KeyframeManager
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.map_alignment import align_maps
from loftr_vo.odometry.map.motion import MotionError
from loftr_vo.odometry.odometry_state import (
    OdometryState,
)
from loftr_vo.odometry.stopwatch import Stopwatch
from loftr_vo.odometry.tracking.failure_reason import failure_reason
from loftr_vo.odometry.tracking.reference_search import Reference, ReferenceSearch
from loftr_vo.odometry.tracking.tracked_cells import TrackedCells


@dataclass(frozen=True, eq=False)
class _Trial:
    """What tracking a picture from the last frame gave; None where it cannot be tracked."""

    image: np.ndarray
    keyframe: Keyframe
    found: Reference | None


class ReferenceChoice:
    """Chooses the keyframe that a frame is tracked against.

    Args:
        state: of the odometry, which is changed.
        search: finds motions against keyframes.
        keyframe_manager: makes keyframes.
    """

    def __init__(
        self, state: OdometryState, search: ReferenceSearch, keyframe_manager: KeyframeManager
    ) -> None:
        self._state = state
        self._search = search
        self._keyframe_manager = keyframe_manager
        self._trial: _Trial | None = None

    def can_track(self, frame: Frame, tracked: TrackedCells, clock: Stopwatch) -> bool:
        """Whether a frame is matched by tracks; ``find`` does not repeat the work."""
        found = self._search.match_by_tracks(tracked, frame, clock)
        self._trial = _Trial(frame.image, self._state.keyframe, found)
        return found is not None

    def find(self, frame: Frame, tracked: TrackedCells | None, clock: Stopwatch) -> Reference:
        """Return the motion against the keyframe, by tracks or the network, else against others.

        Raises:
            MotionError: none of them explains the frame; with the reason of the first.
        """
        state = self._state
        if tracked is not None and (found := self._by_tracks(tracked, frame, clock)):
            return found
        state.matched_by = 'network'
        try:
            return self._search.match(state.keyframe, frame, clock)
        except MotionError as error:
            reason = failure_reason(error, frame.image, state.keyframe, state.expected_inliers())
        if empty_image_reason(frame.image):
            raise MotionError(reason)
        if state.relocalisation.lost:
            candidates = state.keyframes.candidates(frame.image)
        else:
            if promoted := self._promote_last_frame(clock):
                try:
                    return self._search.match(promoted, frame, clock)
                except MotionError:
                    pass
            candidates = state.keyframes.old_candidates(frame.image)
        found = self._search.first_match(candidates, frame, clock)
        if found is None:
            raise MotionError(reason)
        return found

    def _by_tracks(
        self, tracked: TrackedCells, frame: Frame, clock: Stopwatch
    ) -> Reference | None:
        trial, self._trial = self._trial, None
        # A trial does not know yet how a gyroscope measures the turn.
        if (
            trial is not None
            and trial.image is frame.image
            and trial.keyframe is self._state.keyframe
            and self._state.measured_turn is None
        ):
            return trial.found
        return self._search.match_by_tracks(tracked, frame, clock)

    def _promote_last_frame(self, clock: Stopwatch) -> Keyframe | None:
        """Make the last frame the keyframe, since the present one may be too far away."""
        last = self._state.last_tracked
        if last is None or last.frame is self._state.keyframe.frame:
            return None
        return self._keyframe_manager.promote(last, clock)

    def return_to_old_map(self, frame: Frame, reference: Reference, clock: Stopwatch) -> Reference:
        """Return to an old map, if the frame is located in it too.

        The pose in ``odom`` continues from the pose in the present map, which is aligned with the
        old one.
        """
        state = self._state
        state.frame_count += 1
        found = self._search.old_map(frame, reference.keyframe, clock)
        if found is None:
            return reference
        keyframe, motion = reference.keyframe, reference.motion
        state.pose = motion.pose_from(keyframe)
        if motion.has_depth:
            # Its poses are moved, which a window in refinement does not allow.
            state.refinement = None
            of_map = state.keyframes.of_map
            align_maps(of_map, keyframe, motion, found.keyframe, found.motion)
        return found
