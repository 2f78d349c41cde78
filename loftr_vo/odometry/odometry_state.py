# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The state of the odometry from frame to frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from loftr_vo.config import Settings
from loftr_vo.geometry.rigid_motion import inverse_transform, transform
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.odometry.calibration.calibration_check import CalibrationCheck
from loftr_vo.odometry.estimate import Cloud
from loftr_vo.odometry.map.covariance import initial_covariance
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.keyframe_store import KeyframeStore
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.rolling_shutter.readout_time import ReadoutTimeEstimator
from loftr_vo.odometry.tracking.camera_step import Placement
from loftr_vo.odometry.tracking.relocalisation import Relocalisation
from loftr_vo.odometry.tracking.stationary import PureRotationDetector, StationaryDetector


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """The last frame that was tracked.

    Attributes:
        frame: the frame.
        encoded: its features.
        pose: (4, 4), map from camera.
        covariance: (7, 7), see ``map.covariance``.
        motion: against ``keyframe``.
        keyframe: its reference.
        matched_by: ``network`` or ``tracks``, see ``Estimate``.
    """

    frame: Frame
    encoded: EncodedImage
    pose: np.ndarray
    covariance: np.ndarray
    motion: Motion
    keyframe: Keyframe
    matched_by: str


@dataclass(frozen=True, eq=False)
class PendingKeyframe:
    """The last frame, if it is to become the keyframe.

    Attributes:
        tracked: that frame.
        rotating: whether the camera only rotates there.
    """

    tracked: TrackedFrame
    rotating: bool


@dataclass(frozen=True, eq=False)
class PendingDepthUpdate:
    """The last motion, which the keyframe's depths are to be updated with.

    Attributes:
        frame: the frame.
        keyframe: its reference.
        motion: between them.
        has_parallax: whether it measures depth: the camera moves, and depths are known.
    """

    frame: Frame
    keyframe: Keyframe
    motion: Motion
    has_parallax: bool


class OdometryState:
    """Everything that lives from frame to frame.

    Attributes:
        keyframes: the local map.
        relocalisation: the time that the camera is lost, and the pose in ``odom``.
        readout_time: of a rolling shutter.
        calibration: how far off the calibration looks.
        stationary: detects a camera at rest.
        pure_rotation: detects one that only rotates.
        pose: (4, 4), map from camera, the last one, refined by the keyframe's bundle adjustment.
        published_pose: (4, 4), the same as it was published.
        covariance: (7, 7) of ``pose`` and scale, see ``map.covariance``.
        last_stamp: nanoseconds, of the last frame.
        measured_turn: (3, 3), camera of the last frame from that of the present one, by a
            gyroscope; None without one.
        initialised: whether the map has depth.
        frame_count: tracked frames.
        keyframe_count: keyframes made.
        last_tracked: the last frame that was tracked in this map.
        placement: of the last frame against its keyframe, see the class; None while lost.
        pending_keyframe: see the class.
        pending_depth_update: see the class.
        solver_warning: failure after the last estimate, for the reason of the next one.
        refinement: remaining steps for the newest keyframe; see ``KeyframeManager``.
        matched_by: ``network`` or ``tracks``, of the last frame; see ``Estimate``.
        cloud: of the last estimate; its points are made before the map changes.
        keyframe_milliseconds: time spent on the map since the last estimate.
    """

    def __init__(self, settings: Settings) -> None:
        self.keyframes = KeyframeStore(settings.recovery)
        self.relocalisation = Relocalisation(settings.recovery)
        self.readout_time = ReadoutTimeEstimator(settings.geometry)
        self.calibration = CalibrationCheck()
        self.stationary = StationaryDetector()
        self.pure_rotation = PureRotationDetector()
        self.pose = self.published_pose = np.eye(4)
        self.covariance = initial_covariance()
        self.last_stamp = 0
        self.measured_turn: np.ndarray | None = None
        self.initialised = False
        self.frame_count = 0
        self.keyframe_count = 0
        self.last_tracked: TrackedFrame | None = None
        self.placement: Placement | None = None
        self.pending_keyframe: PendingKeyframe | None = None
        self.pending_depth_update: PendingDepthUpdate | None = None
        self.solver_warning = ''
        self.refinement: Iterator[bool] | None = None
        self.matched_by = 'network'
        self.cloud = Cloud.empty()
        self.keyframe_milliseconds = 0.0

    def configure(self, settings: Settings) -> None:
        """Apply changed settings."""
        self.keyframes.configure(settings.recovery)
        self.relocalisation.configure(settings.recovery)
        self.readout_time.configure(settings.geometry)

    @property
    def keyframe(self) -> Keyframe:
        """The one that frames are matched with."""
        return self.keyframes.newest

    def seconds_since_last(self, frame: Frame) -> float:
        """Seconds from the last frame to this one."""
        return (frame.stamp - self.last_stamp) * 1e-9

    def predicted_motion(self, keyframe: Keyframe, frame: Frame) -> np.ndarray:
        """(4, 4) frame from keyframe, at constant velocity but for a turn that is measured."""
        seconds = self.seconds_since_last(frame)
        pose = self.relocalisation.predict(self.pose, seconds)
        if self.measured_turn is not None:
            pose = transform(self.pose[:3, :3] @ self.measured_turn, pose[:3, 3])
        return inverse_transform(pose) @ keyframe.pose

    def expected_inliers(self) -> int:
        """Expected number of inliers: the larger of the keyframe's best and the last frame's."""
        last = 0 if self.last_tracked is None else int(self.last_tracked.motion.inliers.sum())
        return max(self.keyframe.best_inliers, last)

    def odom_covariance(self, stamp: int) -> np.ndarray:
        """(6, 6) of the pose in ``odom``, at a time in nanoseconds."""
        return self.relocalisation.covariance(
            stamp, self.pose, self.covariance[:6, :6], self.keyframe.reference_depth
        )
