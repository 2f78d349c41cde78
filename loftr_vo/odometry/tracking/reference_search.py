# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The search for a keyframe that a frame can be tracked against, and the motion between them.

Nothing here changes the map or the state; ``ReferenceChoice`` and ``PoseUpdate`` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.matching.matches import Matches
from loftr_vo.matching.prefetch import Prefetch
from loftr_vo.odometry.map.covariance import correlation_inflation
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion, MotionError
from loftr_vo.odometry.odometry_state import OdometryState
from loftr_vo.odometry.pose.frame_pose import estimate_motion, locate_in_frame
from loftr_vo.odometry.pose.measured_turn import MeasuredTurn
from loftr_vo.odometry.stopwatch import Stopwatch
from loftr_vo.odometry.tracking.keyframe_tracks import enough_tracked, predict_matches
from loftr_vo.odometry.tracking.tracked_cells import TrackedCells, trackable
from loftr_vo.odometry.tracking.tuning import TUNING


@dataclass(frozen=True, eq=False)
class Reference:
    """A keyframe, and the motion of a frame against it.

    Attributes:
        keyframe: the keyframe.
        motion: of the frame.
        matched_by: ``network`` or ``tracks``.
        overlap: share of the keyframe's cells in view, by tracks; None by the network.
    """

    keyframe: Keyframe
    motion: Motion
    matched_by: str = 'network'
    overlap: float | None = None

    def inliers_of_all(self) -> int:
        """Number of inliers; by tracks, extrapolated to all trackable cells."""
        if self.overlap is None:
            return int(self.motion.inliers.sum())
        return round(self.overlap * np.count_nonzero(trackable(self.keyframe)))


class ReferenceSearch:
    """Finds the motion of a frame against keyframes.

    Args:
        state: of the odometry; it is read only.
        prefetch: gives matches by the network.
        settings: thresholds.
        turn: returns how the camera turned between two times in nanoseconds, by a gyroscope: its
            axes at the first from those at the last, (3, 3), with the standard deviation about
            each axis in radians; None where that is not known.
    """

    def __init__(
        self,
        state: OdometryState,
        prefetch: Prefetch,
        settings: GeometrySettings,
        turn: Callable[[int, int], tuple[np.ndarray, float] | None],
    ) -> None:
        self._state = state
        self._prefetch = prefetch
        self._settings = settings
        self._turn = turn

    def match(self, keyframe: Keyframe, frame: Frame, clock: Stopwatch) -> Reference:
        """Return the motion of a frame against a keyframe.

        Raises:
            MotionError: no motion explains the matches, or only one that the camera cannot have
                made.
        """
        matches = self._prefetch.matches(keyframe.encoded, frame)
        clock.lap('match')
        try:
            located = locate_in_frame(keyframe, frame, matches, self._settings)
        finally:
            clock.lap('locate')
        motion = self._motion(keyframe, frame, matches, located, clock)
        if self._state.relocalisation.lost:
            self._reject_uncertain_place(keyframe, motion)
        return Reference(keyframe, motion)

    def match_by_tracks(
        self, tracked: TrackedCells, frame: Frame, clock: Stopwatch
    ) -> Reference | None:
        """Return the motion against the keyframe without the network.

        Args:
            tracked: cells of the keyframe in the last frame.
            frame: the frame.
            clock: measures the stages.

        Returns:
            None where too few cells are found or agree, so that the network is needed.
        """
        keyframe, shutter = self._state.keyframe, self._state.readout_time
        predicted = predict_matches(
            keyframe,
            tracked,
            frame,
            self._state.predicted_motion(keyframe, frame),
            shutter.expected_readout_rotation(frame.stamp),
        )
        clock.lap('track')
        if predicted is None:
            return None
        tried = len(predicted.matches)
        if not enough_tracked(tried, tried):
            return None
        try:
            located = locate_in_frame(keyframe, frame, predicted.matches, self._settings)
            clock.lap('locate')
            found = np.flatnonzero(located.tracked)
            if not enough_tracked(len(found), tried):
                return None
            matches = predicted.matches.select(found)
            motion = self._motion(keyframe, frame, matches, located.select(found), clock)
        except MotionError:
            return None
        inliers = int(motion.inliers.sum())
        if not enough_tracked(inliers, tried):
            return None
        motion = replace(motion, sampled=predicted.sampled)
        return Reference(keyframe, motion, 'tracks', predicted.in_view * inliers / tried)

    def _motion(
        self,
        keyframe: Keyframe,
        frame: Frame,
        matches: Matches,
        located: LocatedMatches,
        clock: Stopwatch,
    ) -> Motion:
        """Return the motion by matches.

        Raises:
            MotionError: none explains them, or only one that no camera makes.
        """
        expected = self._state.predicted_motion(keyframe, frame)
        try:
            readout = self._state.readout_time.read(
                keyframe, frame, matches.cells, located, expected
            )
            motion = estimate_motion(
                keyframe,
                frame,
                matches,
                located,
                self._settings,
                readout,
                self._measured_turn(keyframe, frame),
            )
        finally:
            clock.lap('geometry')
        self._reject_jump(keyframe, frame, motion)
        return motion

    def _measured_turn(self, keyframe: Keyframe, frame: Frame) -> MeasuredTurn | None:
        """Return how the camera turned since a keyframe, by a gyroscope; None if not known."""
        start, end = keyframe.frame.stamp, frame.stamp
        if not 0 < (end - start) * 1e-9 < TUNING.longest_measured_turn:
            return None
        measured = self._turn(start, end)
        if measured is None:
            return None
        rotation, sigma = measured
        return MeasuredTurn(rotation.T, sigma, correlation_inflation(keyframe))

    def first_match(
        self, candidates: Iterable[Keyframe], frame: Frame, clock: Stopwatch
    ) -> Reference | None:
        """Return the first motion that is found against one of the candidates."""
        for candidate in candidates:
            try:
                return self.match(candidate, frame, clock)
            except MotionError:
                continue
        return None

    def old_map(self, frame: Frame, keyframe: Keyframe, clock: Stopwatch) -> Reference | None:
        """Return the motion against a keyframe of an old map, if the frame is located there.

        Args:
            frame: tracked against ``keyframe``.
            keyframe: of the present map; for one of an old map there is no search.
            clock: measures the stages.
        """
        state = self._state
        in_old_map = not any(keyframe is each for each in state.keyframes.of_map)
        due = state.frame_count % TUNING.old_map_interval == 0
        if in_old_map or state.relocalisation.lost or not due:
            return None
        for candidate in state.keyframes.old_candidates(frame.image):
            try:
                found = self.match(candidate, frame, clock)
                self._reject_uncertain_place(candidate, found.motion)
            except MotionError:
                continue
            if found.motion.has_depth:
                return found
        return None

    def _reject_jump(self, keyframe: Keyframe, frame: Frame, motion: Motion) -> None:
        """Reject a motion that no camera makes between two frames.

        The frame is lost, and the next one is relocalised.

        Raises:
            MotionError: it is such a motion.
        """
        state = self._state
        if not (state.initialised and motion.has_depth):
            return
        pose, seconds = motion.pose_from(keyframe), state.seconds_since_last(frame)
        if state.relocalisation.is_jump(state.pose, pose, seconds, keyframe.reference_depth):
            raise MotionError('jump: the camera is elsewhere all at once')

    def _reject_uncertain_place(self, keyframe: Keyframe, motion: Motion) -> None:
        """Reject a place that may only look similar to the keyframe's.

        Raises:
            MotionError: too few matches agree.
        """
        count, total = int(motion.inliers.sum()), len(motion.inliers)
        wanted = TUNING.place_inlier_factor * self._settings.min_inliers
        wanted = min(wanted, round(TUNING.place_inliers_of_best * keyframe.best_inliers))
        if count < wanted or count < TUNING.place_inlier_ratio * total:
            raise MotionError(
                f'too few inliers: {count} of {total} matches agree, which is not sure to be the '
                'place it looks like',
                count,
            )
