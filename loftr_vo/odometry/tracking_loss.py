# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A frame that no motion explains: the pose is held or predicted, or a new map begins."""

from __future__ import annotations

import numpy as np

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
from loftr_vo.odometry.tracking.camera_step import CameraStep


class TrackingLoss:
    """Updates the state for a frame that no motion explains.

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

    def apply(
        self, frame: Frame, encoded: EncodedImage, reason: str
    ) -> tuple[State, str, CameraStep | None]:
        """Hold, predict or follow the pose; after ``recovery.restart_after``, begin a new map.

        Args:
            frame: the frame.
            encoded: its features.
            reason: why no motion explains it.

        Returns:
            State, reason and, where another odometry measures it, the camera's step.
        """
        state = self._state
        self._scale.lose()
        state.readout_time.interrupt()
        state.placement = None
        usable = not empty_image_reason(frame.image)
        # The published pose is held, not the one that bundle adjustment refined since.
        last = frame.stamp, state.last_stamp, state.published_pose, self._scale.guide
        if not state.initialised:
            pose, course = state.relocalisation.start_again(*last, usable)
            if usable:
                self._start_map(frame, encoded, pose)
            return State.INITIALISING, _joined(f'starting anew: {reason}', course), None
        state.pose, step, course = state.relocalisation.lose(*last)
        if not (usable and state.relocalisation.restart_is_due(frame.stamp)):
            return State.LOST, _joined(reason, course), step
        state.relocalisation.restart(state.odom_covariance(frame.stamp))
        state.covariance = initial_covariance_with_carried_scale()
        self._creation.start_map(frame, encoded)
        reason = f'starting anew from the last pose, with the last scale: {reason}'
        return State.INITIALISING, _joined(reason, course), step

    def _start_map(self, frame: Frame, encoded: EncodedImage, pose: np.ndarray) -> None:
        """Begin a map in place of one that has got no depth, at a pose (4, 4)."""
        state = self._state
        if state.relocalisation.follows(self._scale.guide):
            state.pose = pose
            state.relocalisation.continue_from(state.odom_covariance(frame.stamp))
        self._creation.start_map(frame, encoded)


def _joined(*clauses: str) -> str:
    return '; '.join(filter(None, clauses))
