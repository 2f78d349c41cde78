# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""New keyframes: the first of a map, and those of tracked frames with their depths."""

from __future__ import annotations

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.odometry.map.covariance import keyframe_covariance, with_known_scale
from loftr_vo.odometry.map.depth_filter import (
    propagate_depth,
    store_filtered_depth,
)
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.map.tuning import TUNING as MAP_TUNING
from loftr_vo.odometry.odometry_state import OdometryState, TrackedFrame
from loftr_vo.odometry.scale.metric_scale import MetricScale
from loftr_vo.odometry.stopwatch import Stopwatch
from loftr_vo.odometry.tracking.camera_step import Placement
from loftr_vo.odometry.tracking.keyframe_matching import KeyframeMatching
from loftr_vo.odometry.tracking.track_completion import complete_tracks


class KeyframeCreation:
    """Adds keyframes to the map, with the depths that are known.

    Args:
        state: of the odometry, which is changed.
        scale: the source of metric scale.
        keyframe_matching: the network's matches between keyframes.
        settings: thresholds.
        wait: whether to wait for the network's matches between keyframes.
    """

    def __init__(
        self,
        state: OdometryState,
        scale: MetricScale,
        keyframe_matching: KeyframeMatching,
        settings: GeometrySettings,
        *,
        wait: bool,
    ) -> None:
        self._state = state
        self._scale = scale
        self._keyframe_matching = keyframe_matching
        self._settings = settings
        self._wait = wait

    @property
    def busy(self) -> bool:
        """Whether the network's matches of the newest keyframe are not joined yet."""
        return self._keyframe_matching.busy

    def add_keyframe(
        self,
        frame: Frame,
        encoded: EncodedImage,
        reference_depth: float,
        pose: np.ndarray | None = None,
        covariance: np.ndarray | None = None,
        readout_rotation: np.ndarray | None = None,
    ) -> Keyframe:
        """Add a keyframe without depth to the map; its pose defaults to the present one."""
        state, shutter = self._state, self._state.readout_time
        keyframe = Keyframe(
            number=state.keyframe_count,
            frame=frame,
            encoded=encoded,
            pose=state.pose if pose is None else pose,
            covariance=state.covariance if covariance is None else covariance,
            reference_depth=reference_depth,
            refined=self._settings.refine_matches,
            readout_rotation=(
                shutter.expected_readout_rotation(frame.stamp)
                if readout_rotation is None
                else readout_rotation
            ),
            angular_velocity=shutter.angular_velocity(frame.stamp),
        )
        state.keyframe_count += 1
        state.placement = Placement.of_keyframe(frame.stamp, keyframe.number)
        state.keyframes.add(keyframe)
        if len(state.keyframes) == 1 and self._scale.begin(keyframe):
            keyframe.covariance = with_known_scale(keyframe.covariance)
            state.keyframes.mark_scale_known()
        return keyframe

    def start_map(self, frame: Frame, encoded: EncodedImage) -> None:
        """Begin a map with this frame, at the present pose and with the last reference depth."""
        state = self._state
        reference_depth = state.keyframe.reference_depth
        state.refinement = None
        self._keyframe_matching.forget()
        if state.initialised:
            self._scale.archive_map()
        state.keyframes.start_map(frame.stamp, keep=state.initialised)
        state.last_tracked, state.initialised = None, False
        self.add_keyframe(frame, encoded, reference_depth)

    def keyframe_of(self, tracked: TrackedFrame, clock: Stopwatch) -> Keyframe:
        """Make a tracked frame the keyframe, and give its cells the known depths."""
        state, old, motion = self._state, tracked.keyframe, tracked.motion
        if tracked.matched_by == 'tracks' and state.initialised:
            motion = complete_tracks(old, tracked.frame, motion, self._settings)
        covariance = tracked.covariance
        if state.initialised:
            covariance = keyframe_covariance(covariance, old, motion)
        new = self.add_keyframe(
            tracked.frame,
            tracked.encoded,
            old.reference_depth,
            tracked.pose,
            covariance,
            motion.readout.readout_rotation,
        )
        if state.initialised:
            self._give_depth(new, old, motion, by_tracks=tracked.matched_by == 'tracks')
            clock.lap('geometry')
        return new

    def _give_depth(
        self, new: Keyframe, old: Keyframe, motion: Motion, *, by_tracks: bool
    ) -> None:
        """Give a new keyframe depth from the one before, and link both."""
        store_filtered_depth(old)
        agreement_count = old.agreement_count[motion.matches.cells[motion.with_depth]]
        propagate_depth(new, *motion.depth_in_frame(), agreement_count)
        link = motion.link_to(new)
        old.links.append(link.thinned(MAP_TUNING.max_linked_cells) if by_tracks else link)
        if by_tracks:
            self._keyframe_matching.start(old, new)
            self.join_matches()

    def join_matches(self) -> None:
        """Add the network's matches between keyframes to the map, if they are ready."""
        self._keyframe_matching.join(self._settings, wait=self._wait)
