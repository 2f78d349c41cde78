# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The update of the state by a frame's motion: pose, covariance and velocity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.rigid_motion import inverse_transform
from loftr_vo.geometry.rotation import rotate_covariance
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.odometry.map.covariance import (
    pose_covariance,
    relative_covariance,
)
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.odometry_state import (
    OdometryState,
    PendingDepthUpdate,
    TrackedFrame,
)
from loftr_vo.odometry.scale.metric_scale import MetricScale
from loftr_vo.odometry.tracking.camera_step import CameraStep, Placement, step_between
from loftr_vo.odometry.tracking.reference_search import Reference


@dataclass(frozen=True, eq=False)
class UpdatedPose:
    """Results of an update of the pose that are not part of the state.

    Attributes:
        step: the camera's own motion since the frame before; None where it is not known.
        reason: one short clause, see ``Estimate``.
        resting: whether the camera rests.
        rotating: whether it only rotates.
    """

    step: CameraStep | None
    reason: str
    resting: bool
    rotating: bool


class PoseUpdate:
    """Applies the motion of a frame to the state.

    Args:
        state: of the odometry, which is changed.
        scale: the source of metric scale.
        settings: thresholds.
    """

    def __init__(
        self, state: OdometryState, scale: MetricScale, settings: GeometrySettings
    ) -> None:
        self._state = state
        self._scale = scale
        self._settings = settings

    def apply(self, frame: Frame, encoded: EncodedImage, reference: Reference) -> UpdatedPose:
        """Update the state with the motion of a frame against a keyframe.

        The depth update and the new keyframe are left to ``KeyframeManager``.
        """
        state, keyframe, motion = self._state, reference.keyframe, reference.motion
        changed_map = keyframe is not state.keyframe and self._switch_to(keyframe, frame)
        interrupted = changed_map or state.relocalisation.lost
        pose, resting, rotating = self._hold_pose(reference, interrupted)
        if interrupted:
            state.readout_time.interrupt()
            self._continue_odom(frame, pose, changed_map)
        relative = relative_covariance(keyframe, motion)
        held = resting or rotating
        self._update_motion_model(frame, pose, reference, relative, interrupted, held)
        step = self._step(frame, reference, relative)
        state.covariance = pose_covariance(keyframe, motion, relative)
        keyframe.age += 0 if resting else 1
        keyframe.best_inliers = max(keyframe.best_inliers, reference.inliers_of_all())
        state.initialised = state.initialised or motion.has_depth
        state.pending_depth_update = PendingDepthUpdate(
            frame, keyframe, motion, motion.has_depth and not resting
        )
        state.matched_by = reference.matched_by
        state.last_tracked = TrackedFrame(
            frame, encoded, state.pose, state.covariance, motion, keyframe, state.matched_by
        )
        reason = self._tracking_reason(motion, resting, rotating, changed_map)
        return UpdatedPose(step, reason, resting, rotating)

    def _step(self, frame: Frame, reference: Reference, relative: np.ndarray) -> CameraStep | None:
        """Return the camera's motion since the frame before, if both have one keyframe.

        Args:
            frame: the frame, at ``state.pose`` now.
            reference: its reference.
            relative: (6, 6), their ``relative_covariance``.
        """
        state, keyframe = self._state, reference.keyframe
        before, state.placement = (
            state.placement,
            Placement(
                frame.stamp,
                keyframe.number,
                inverse_transform(keyframe.pose) @ state.pose,
                rotate_covariance(relative, keyframe.pose[:3, :3].T),
                reference.motion.has_depth,
            ),
        )
        return step_between(before, state.placement, self._scale_deviation(keyframe))

    def _scale_deviation(self, keyframe: Keyframe) -> float:
        """Relative standard deviation of the unit of length."""
        if self._scale.known:
            return self._scale.sigma
        return float(np.sqrt(keyframe.covariance[6, 6]))

    def _hold_pose(self, reference: Reference, interrupted: bool) -> tuple[np.ndarray, bool, bool]:
        """Hold the pose of a camera that rests, and the position of one that only rotates.

        Returns:
            The pose (4, 4), map from camera; whether it rests; whether it only rotates.
        """
        state, keyframe, motion = self._state, reference.keyframe, reference.motion
        pose, resting = state.stationary.hold(
            keyframe,
            motion,
            motion.pose_from(keyframe),
            self._settings.stationary_motion,
        )
        rotating = False
        if interrupted:
            state.pure_rotation.move_to(pose)
        elif not resting:
            pose, rotating = state.pure_rotation.hold(keyframe, motion, pose)
        return pose, resting, rotating

    def _update_motion_model(
        self,
        frame: Frame,
        pose: np.ndarray,
        reference: Reference,
        relative: np.ndarray,
        interrupted: bool,
        held: bool,
    ) -> None:
        """Add a pose to the state, the motion model and the source of scale.

        Args:
            frame: the frame.
            pose: (4, 4), its.
            reference: its reference.
            relative: (6, 6), their ``relative_covariance``.
            interrupted: whether the frame before is not connected with it.
            held: whether the pose is held, that of a camera that rests or only rotates.
        """
        state, keyframe = self._state, reference.keyframe
        seconds = state.seconds_since_last(frame)
        state.relocalisation.add_tracked(frame.stamp, pose, seconds, keyframe.reference_depth)
        position = state.relocalisation.to_odom(pose)[:3, 3]
        is_continuous = reference.motion.has_depth and not interrupted
        measured = pose
        if not held:
            # The bias of a gyroscope is measured by matches that know nothing of it.
            measured = reference.motion.pose_by_matches(keyframe)
        self._scale.follow(frame.stamp, measured, position, keyframe, relative, is_continuous)
        state.pose = pose

    def _tracking_reason(
        self, motion: Motion, resting: bool, rotating: bool, changed_map: bool
    ) -> str:
        if changed_map:
            return 'a place of an earlier map is seen again'
        if motion.no_depth_reason:
            return motion.no_depth_reason
        reason = 'resting' if resting else 'turning on the spot' if rotating else ''
        if self._state.keyframes.scale_carried:
            return f'{reason or "started anew"}: the scale is carried over, and uncertain'
        return reason

    def _switch_to(self, keyframe: Keyframe, frame: Frame) -> bool:
        """Make an older keyframe the present one again; return whether the map changes with it."""
        self._state.refinement = None
        changed_map = self._state.keyframes.switch_to(keyframe, frame.stamp)
        if changed_map:
            self._scale.return_to_old_map()
        self._state.initialised = self._state.initialised or changed_map
        return changed_map

    def _continue_odom(self, frame: Frame, found: np.ndarray, changed_map: bool) -> None:
        """Continue the pose in ``odom`` from where it is, now that the camera is located."""
        state = self._state
        assumed = state.relocalisation.assume(
            frame.stamp, state.last_stamp, state.pose, self._scale.guide
        )
        state.relocalisation.relocalise(
            frame.stamp,
            assumed,
            found,
            state.odom_covariance(frame.stamp),
            state.keyframe.reference_depth,
            changed_map,
        )
