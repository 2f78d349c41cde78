# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Estimates from the state of the odometry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from loftr_vo.geometry.rigid_motion import transform_points
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matcher import Matcher
from loftr_vo.odometry.estimate import Cloud, Estimate, State
from loftr_vo.odometry.keyframe_manager import KeyframeManager
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.odometry_state import (
    OdometryState,
)
from loftr_vo.odometry.scale.metric_scale import MetricScale
from loftr_vo.odometry.tracking.camera_step import CameraStep
from loftr_vo.odometry.tracking.reference_search import Reference


class EstimateBuilder:
    """Makes the estimate of each frame, in the coordinates of ``odom``.

    Args:
        state: of the odometry; the published pose is noted in it.
        matcher: returns the network.
        scale: the source of metric scale.
        keyframe_manager: updates the depths before points are read.
    """

    def __init__(
        self,
        state: OdometryState,
        matcher: Callable[[], Matcher],
        scale: MetricScale,
        keyframe_manager: KeyframeManager,
    ) -> None:
        self._state = state
        self._matcher = matcher
        self._scale = scale
        self._keyframe_manager = keyframe_manager

    def make(
        self,
        frame: Frame,
        state_of_tracking: State,
        reason: str,
        timings: dict[str, float],
        reference: Reference | None = None,
        step: CameraStep | None = None,
        is_keyframe: bool = False,
    ) -> Estimate:
        """Return the estimate of a frame.

        Args:
            frame: the frame.
            state_of_tracking, reason, step, timings: see ``Estimate``.
            reference: of the frame; None where it was not tracked.
            is_keyframe: whether it becomes the keyframe.
        """
        state = self._state
        reason, state.solver_warning = '; '.join(filter(None, (reason, state.solver_warning))), ''
        state.last_stamp, state.published_pose = frame.stamp, state.pose
        keyframe = reference.keyframe if reference else state.keyframe
        motion = reference.motion if reference else None
        odom_from_map = state.relocalisation.odom_from_map
        self._scale.compare_imu(frame.stamp, step)
        scale = self._scale.status(frame.stamp)
        gravity, gravity_sigma = self._scale.inertial.gravity()
        clock = self._scale.inertial.clock_offset
        covariance = state.odom_covariance(frame.stamp)
        covariance[:3, :3] += np.outer(scale.position_error, scale.position_error)
        state.cloud = Cloud(lambda: self._points(keyframe, odom_from_map))
        return Estimate(
            stamp=frame.stamp,
            state=state_of_tracking,
            reason=reason,
            pose=odom_from_map @ state.pose,
            covariance=covariance,
            step=step,
            matches=motion.matches if motion else None,
            inliers=motion.inliers if motion else None,
            cloud=state.cloud,
            parallax=motion.parallax if motion else 0.0,
            matched_by=state.matched_by,
            network_frames=self._matcher().encoded,
            keyframe_id=keyframe.number,
            keyframe_pose=odom_from_map @ keyframe.pose,
            keyframe_image=keyframe.frame.image,
            is_keyframe=is_keyframe or frame is keyframe.frame,
            restarts=state.relocalisation.restarts,
            scale_carried=state.keyframes.scale_carried,
            silent=state_of_tracking is State.LOST and state.relocalisation.silent,
            readout_time=state.readout_time.seconds if state.readout_time.known else np.nan,
            calibration=state.calibration.status,
            scale=scale,
            gravity=None if gravity is None else odom_from_map[:3, :3] @ gravity,
            gravity_sigma=gravity_sigma,
            imu_offset=np.nan if clock is None else clock.seconds,
            imu_fault=self._scale.imu_fault,
            timings=timings,
        )

    def _points(
        self, keyframe: Keyframe, odom_from_map: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cells of known depth in ``odom``, (P, 3), and their confidence, (P,)."""
        self._keyframe_manager.apply_depth_update()
        points, confidence = keyframe.points()
        return transform_points(odom_from_map, points), confidence
