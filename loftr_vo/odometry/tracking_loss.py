# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A frame that no motion explains: the pose is held or predicted, or a new map begins."""

from __future__ import annotations

from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.image_quality import empty_image_reason
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.keyframe_creation import KeyframeCreation
from loftr_vo.odometry.map.covariance import (
    initial_covariance_with_carried_scale,
)
from loftr_vo.odometry.odometry_state import (
    OdometryState,
)
from loftr_vo.odometry.scale.metric_scale import MetricScale


class TrackingLoss:
    """Carries the state over a frame without a motion.

    Args:
        state: of the odometry, which is changed.
        scale: the source of metric scale.
        creation: begins a new map.
    """

    def __init__(
        self, state: OdometryState, scale: MetricScale, creation: KeyframeCreation
    ) -> None:
        self._state = state
        self._scale = scale
        self._creation = creation

    def apply(self, frame: Frame, encoded: EncodedImage, reason: str) -> tuple[State, str]:
        """Hold or predict the pose; after ``recovery.restart_after``, begin a new map.

        Args:
            frame: the frame.
            encoded: its features.
            reason: why no motion explains it.

        Returns:
            State and reason for the estimate.
        """
        state = self._state
        self._scale.interrupt()
        state.readout_time.interrupt()
        state.placement = None
        usable = not empty_image_reason(frame.image)
        if not state.initialised:
            if usable:
                self._creation.start_map(frame, encoded)
            return State.INITIALISING, f'starting anew: {reason}'
        # The published pose is held, not the one that bundle adjustment refined since.
        state.pose = state.relocalisation.lose(
            frame.stamp, state.published_pose, state.seconds_since_last(frame)
        )
        if not (usable and state.relocalisation.restart_is_due(frame.stamp)):
            return State.LOST, reason
        state.relocalisation.restart(state.odom_covariance(frame.stamp))
        state.covariance = initial_covariance_with_carried_scale()
        self._creation.start_map(frame, encoded)
        reason = f'starting anew from the last pose, with the last scale: {reason}'
        return State.INITIALISING, reason
