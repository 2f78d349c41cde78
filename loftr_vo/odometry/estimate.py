# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The estimate of a frame."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.calibration.calibration_status import (
    UNKNOWN_CALIBRATION,
    CalibrationStatus,
)
from loftr_vo.odometry.scale.status import ScaleStatus
from loftr_vo.odometry.tracking.camera_step import CameraStep


class State(enum.Enum):
    """State of the odometry after a frame."""

    INITIALISING = 'initialising'
    TRACKING = 'tracking'
    LOST = 'lost'


class Cloud:
    """Points with their confidence, computed when first read, which is seldom.

    Args:
        make: returns points (P, 3) and their confidence (P,); called at most once.
    """

    def __init__(self, make: Callable[[], tuple[np.ndarray, np.ndarray]]) -> None:
        self._make: Callable[[], tuple[np.ndarray, np.ndarray]] | None = make
        self._made = np.empty((0, 3)), np.empty(0)

    @classmethod
    def empty(cls) -> Cloud:
        """Return one without points."""
        return cls(lambda: (np.empty((0, 3)), np.empty(0)))

    def made(self) -> tuple[np.ndarray, np.ndarray]:
        """Return points (P, 3) and confidence (P,), both float32."""
        if self._make is not None:
            make, self._make = self._make, None
            points, confidence = make()
            self._made = points.astype(np.float32), confidence.astype(np.float32)
        return self._made


@dataclass(frozen=True, eq=False)
class Estimate:
    """The pose of a frame, with its covariance and how it was found.

    The world is the optical frame of the camera (x right, y down, z forward) at the first frame.
    Lengths are metres if ``metric``, else in median depths of the first keyframe's scene.

    Attributes:
        stamp: nanoseconds, the frame's.
        state: see ``State``.
        reason: one short clause, why the state is so; never empty when not tracking.
        pose: (4, 4) float64, world from camera (maps points in the camera to the world).
        covariance: (6, 6) float64 of (x, y, z, rotation about x, y, z) in world axes, the
            rotation a left perturbation: R_true = exp(r) R.
        step: the camera's own motion since the frame before; None where it is not known. Poses
            also change where they are corrected.
        matches: the matches with the keyframe (keypoints0 in the keyframe), or None.
        inliers: (N,) bool, which of ``matches`` agree with the pose.
        cloud: triangulated cells of the keyframe, in the world; see ``points``.
        matched_by: how the frame was matched with the keyframe: ``network`` or ``tracks``.
        network_frames: number of pictures that the network has encoded.
        parallax: degrees, median over inliers, without the rotation.
        keyframe_id: number of the keyframe, from 0.
        keyframe_pose: (4, 4) float64, world from keyframe.
        keyframe_image: (H, W) uint8, the keyframe's picture.
        is_keyframe: whether this frame became the keyframe.
        restarts: number of new maps begun because the camera was not located again.
        scale_carried: whether the scale is only carried over from the map before.
        silent: whether the pose is not to be published (``recovery.policy`` silent, while lost).
        readout_time: seconds in which a rolling shutter reads the rows; 0 for a global one, NaN as
            long as it is not known.
        calibration: how far off the calibration looks.
        scale: state of the metric scale.
        gravity: (3,) float64 unit vector in the world, down; None where no IMU measures it.
        gravity_sigma: standard deviation of its direction in radians; infinite without one.
        imu_offset: seconds by which an IMU's stamps are later than those of pictures of the same
            moment; NaN where that is not known.
        imu_fault: in what an IMU contradicts the pictures, and is left out; empty while it does
            not.
        timings: milliseconds by stage: encode, match, locate, geometry; and keyframe, the work
            after the estimate of the frame before, see ``VisualOdometry.finish``.
    """

    stamp: int
    state: State
    reason: str
    pose: np.ndarray
    covariance: np.ndarray
    step: CameraStep | None = None
    matches: Matches | None = None
    inliers: np.ndarray | None = None
    cloud: Cloud = field(default_factory=Cloud.empty)
    matched_by: str = 'network'
    network_frames: int = 0
    parallax: float = 0.0
    keyframe_id: int = 0
    keyframe_pose: np.ndarray = field(default_factory=lambda: np.eye(4))
    keyframe_image: np.ndarray | None = None
    is_keyframe: bool = False
    restarts: int = 0
    scale_carried: bool = False
    silent: bool = False
    readout_time: float = math.nan
    calibration: CalibrationStatus = UNKNOWN_CALIBRATION
    scale: ScaleStatus = field(default_factory=ScaleStatus)
    gravity: np.ndarray | None = None
    gravity_sigma: float = math.inf
    imu_offset: float = math.nan
    imu_fault: str = ''
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def points(self) -> np.ndarray:
        """(P, 3) float32, triangulated cells of the keyframe, in the world."""
        return self.cloud.made()[0]

    @property
    def point_confidence(self) -> np.ndarray:
        """(P,) float32 in [0, 1]."""
        return self.cloud.made()[1]

    @property
    def metric(self) -> bool:
        """Whether lengths are metres."""
        return self.scale.metric

    @property
    def match_count(self) -> int:
        """Number of matches with the keyframe."""
        return 0 if self.matches is None else len(self.matches)

    @property
    def inlier_count(self) -> int:
        """Number of matches that agree with the pose."""
        return 0 if self.inliers is None else int(self.inliers.sum())
