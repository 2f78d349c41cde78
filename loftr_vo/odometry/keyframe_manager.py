# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The work on the map after a frame's estimate: depth update, new keyframe, scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from loftr_vo.config import Settings
from loftr_vo.geometry.rigid_motion import inverse_transform
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.keyframe_creation import KeyframeCreation
from loftr_vo.odometry.map.bundle_adjustment import refine_window_in_steps
from loftr_vo.odometry.map.covariance import with_known_scale
from loftr_vo.odometry.map.depth_filter import (
    update_depth,
)
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.lucas_kanade_triangulation import triangulate_by_tracking
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.map.tuning import TUNING as MAP_TUNING
from loftr_vo.odometry.odometry_state import OdometryState, PendingKeyframe, TrackedFrame
from loftr_vo.odometry.rolling_shutter.tuning import TUNING as SHUTTER_TUNING
from loftr_vo.odometry.scale.metric_scale import MetricScale
from loftr_vo.odometry.stopwatch import Stopwatch
from loftr_vo.odometry.tracking.reference_search import Reference
from loftr_vo.odometry.tracking.tuning import TUNING as TRACKING_TUNING


class KeyframeManager:
    """Updates the depths of keyframes, makes new ones and refines them.

    A keyframe is made in two parts. The first, which the next frame needs, gives its cells the
    known depths (``KeyframeCreation``). The second refines it: its cells are triangulated in older
    keyframes, the scale is measured and the window adjusted. That takes several steps, and frames
    of a live camera may come between them.

    Args:
        state: of the odometry, which is changed.
        scale: the source of metric scale.
        creation: adds keyframes to the map.
        settings: see ``loftr_vo.config``.
        in_steps: whether the second part is left to ``refine_further``, else done at once.
    """

    def __init__(
        self,
        state: OdometryState,
        scale: MetricScale,
        creation: KeyframeCreation,
        settings: Settings,
        *,
        in_steps: bool,
    ) -> None:
        self._state = state
        self._scale = scale
        self._creation = creation
        self._settings = settings
        self._in_steps = in_steps

    def needs_new_keyframe(self, reference: Reference, resting: bool) -> bool:
        """Whether the frame that was tracked against a reference is to become a keyframe.

        While the last one is still worked on, a live camera gets no other for parallax alone, as
        in ORB-SLAM (Mur-Artal et al. 2015, section V-E): where the processor is too slow, it gets
        fewer keyframes, not fewer frames.
        """
        rules, keyframe, motion = self._settings.keyframe, reference.keyframe, reference.motion
        overlap = reference.overlap
        if overlap is None:
            overlap = motion.inliers.sum() / max(keyframe.best_inliers, 1)
        outdated = motion.parallax > rules.max_parallax or keyframe.age >= rules.max_age
        if self._in_steps and self._busy:
            outdated = outdated and overlap < TRACKING_TUNING.min_overlap_while_busy
        return not resting and (outdated or overlap < rules.min_overlap)

    @property
    def _busy(self) -> bool:
        """Whether the newest keyframe is still refined, or matched by the network."""
        return self._state.refinement is not None or self._creation.busy

    def apply_depth_update(self) -> None:
        """Update the readout time, and the keyframe's depths, with the last motion."""
        update, self._state.pending_depth_update = self._state.pending_depth_update, None
        if update is not None:
            self._update_readout_time(update.frame, update.keyframe, update.motion)
            if update.has_parallax:
                update_depth(update.keyframe, update.motion)

    def make_pending_keyframe(self, clock: Stopwatch) -> None:
        """Make the pending keyframe, if there is one, and continue from its refined pose."""
        state = self._state
        pending: PendingKeyframe | None = state.pending_keyframe
        state.pending_keyframe = None
        if pending is None:
            return
        # What remains to refine of the keyframe before is dropped: the window has it still.
        state.refinement = None
        new = self._creation.keyframe_of(pending.tracked, clock)
        refinement = self._refine(new, pending.tracked, clock, window=not pending.rotating)
        if self._in_steps:
            state.refinement = refinement
            return
        for _ in refinement:
            pass
        state.pose = new.pose
        if not pending.rotating:
            state.pure_rotation.move_to(state.pose)

    def refine_further(self) -> None:
        """Do one step of refining the newest keyframe, and move the pose along with it."""
        state = self._state
        assert state.refinement is not None
        before = state.keyframe.pose
        if next(state.refinement, None) is None:
            state.refinement = None
        if state.keyframe.pose is not before:
            step = state.keyframe.pose @ inverse_transform(before)
            state.pose = step @ state.pose
            state.stationary.move(step)
            state.pure_rotation.move_to(state.pose)

    def promote(self, tracked: TrackedFrame, clock: Stopwatch) -> Keyframe:
        """Make a tracked frame the keyframe, refined at once.

        Args:
            tracked: the frame.
            clock: measures the stages.
        """
        new = self._creation.keyframe_of(tracked, clock)
        for _ in self._refine(new, tracked, clock):
            pass
        return new

    def _refine(
        self, new: Keyframe, tracked: TrackedFrame, clock: Stopwatch, *, window: bool = True
    ) -> Iterator[bool]:
        """Refine a new keyframe; a step each time.

        Args:
            new: the keyframe.
            tracked: the frame it was made from.
            clock: measures the stages.
            window: whether to adjust the window. Without parallax there is nothing to gain.
        """
        if self._state.initialised:
            most = MAP_TUNING.max_linked_cells if tracked.matched_by == 'tracks' else None
            for older in self._older_keyframes():
                triangulate_by_tracking(new, older, self._settings.geometry, most)
                yield True
            clock.lap('geometry')
        self._measure_scale(new, tracked.keyframe)
        clock.lap('scale')
        if self._state.initialised:
            if window:
                yield from self._refine_window()
            new.update_reference_depth()
            clock.lap('geometry')
            yield True
            self._state.calibration.add(new)
            clock.lap('calibration')

    def _older_keyframes(self) -> list[Keyframe]:
        """The last keyframes before the newest, in reverse order; none without refinement."""
        if not self._settings.geometry.refine_matches:
            return []
        return self._state.keyframes.window[-2::-1][: MAP_TUNING.max_older_keyframes]

    def _refine_window(self) -> Iterator[bool]:
        """Adjust the newest keyframes; the older half of the window is held fixed."""
        window = self._state.keyframes.window
        if self._settings.keyframe.refine_window and len(window) > 2:
            fixed = max(1, len(window) // 2)
            terms = self._scale.inertial.window_terms(window, fixed)
            try:
                if not (yield from refine_window_in_steps(window, fixed, terms)):
                    self._scale.doubt_imu('the last keyframes are refined without it')
            except np.linalg.LinAlgError as error:
                # The window is unchanged; the next estimate has the reason.
                self._state.solver_warning = f'solver: the last keyframes are not refined: {error}'

    def _measure_scale(self, new: Keyframe, old: Keyframe) -> None:
        """Rescale the map about the new keyframe, whose pose stays (REP 105), to metres."""
        keyframes = self._state.keyframes
        first = not self._scale.known
        factor = self._scale.measure(new, old, keyframes.of_map, self._state.initialised)
        if factor is not None:
            shift = (1 - factor) * new.pose[:3, 3]
            for keyframe in keyframes.of_map:
                keyframe.move(np.eye(3), shift, factor)
                keyframe.covariance = with_known_scale(keyframe.covariance)
            self._state.relocalisation.rescale(factor, shift)
            if first:
                # Old maps have other units of unknown ratio.
                keyframes.drop_old_maps()
            keyframes.mark_scale_known()
        self._scale.finish(new)

    def _update_readout_time(self, frame: Frame, keyframe: Keyframe, motion: Motion) -> None:
        """Update the readout time, and with it the keyframe's readout rotation."""
        shutter = self._state.readout_time
        rotation = motion.pose_from(keyframe)[:3, :3]
        shutter.follow(frame, rotation, keyframe, motion.readout)
        found = shutter.readout_rotation_at(keyframe.frame.stamp)
        if found is None:
            return
        if np.abs(found - keyframe.readout_rotation).max() > SHUTTER_TUNING.min_rotation_change:
            keyframe.set_readout_rotation(found)
