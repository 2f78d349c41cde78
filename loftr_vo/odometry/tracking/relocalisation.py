# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Loss and relocalisation: the pose while the camera is lost, and when it is located again.

Candidate keyframes are chosen by ``map/keyframe_store.py`` and tried by ``reference_choice.py``.
"""

from __future__ import annotations

import numpy as np

from loftr_vo.config import RecoverySettings
from loftr_vo.geometry.rigid_motion import inverse_transform
from loftr_vo.odometry.scale.wheel_path import Guide
from loftr_vo.odometry.tracking.camera_step import CameraStep
from loftr_vo.odometry.tracking.dead_reckoning import DeadReckoning, drift_while_blind
from loftr_vo.odometry.tracking.motion_model import MotionModel
from loftr_vo.odometry.tracking.odom_frame import OdomFrame
from loftr_vo.odometry.tracking.tuning import TUNING


class Relocalisation:
    """Keeps how long the camera is lost, and the pose in ``odom`` meanwhile.

    All poses are (4, 4), world from camera, in the map; ``to_odom`` converts them.

    Attributes:
        since: nanoseconds of the first frame lost; None while the camera is not.
        restarts: number of new maps begun after a loss.
    """

    def __init__(self, settings: RecoverySettings) -> None:
        """Start with a camera that is not lost."""
        self._settings = settings
        self._motion_model = MotionModel()
        self._odom_frame = OdomFrame()
        self._dead_reckoning = DeadReckoning()
        self.since: int | None = None
        self.restarts = 0

    def configure(self, settings: RecoverySettings) -> None:
        """Take over changed settings."""
        self._settings = settings

    @property
    def lost(self) -> bool:
        """Whether the camera is lost."""
        return self.since is not None

    @property
    def silent(self) -> bool:
        """Whether the pose is not to be published now."""
        bridged = self._dead_reckoning.has_begun and self._dead_reckoning.blind_seconds == 0
        return self.lost and self._settings.policy == 'silent' and not bridged

    def lose(
        self, stamp: int, before: int, pose: np.ndarray, guide: Guide
    ) -> tuple[np.ndarray, CameraStep | None, str]:
        """Note a frame without a motion; return what is assumed of it.

        Args:
            stamp: nanoseconds, the frame's.
            before: nanoseconds, of the frame before.
            pose: of that.
            guide: another odometry, or an IMU.

        Returns:
            The pose, held or predicted; the camera's step, if the guide measures it; and
            what the pose does if that is followed, else nothing.
        """
        self.since = stamp if self.since is None else self.since
        if self.follows(guide):
            pose, step = self._dead_reckoning.follow(stamp, before, pose, guide)
            return pose, step, self._dead_reckoning.reason
        # A prediction is good for a moment only; after that the pose is held.
        if self._settings.policy == 'predict' and not self.restart_is_due(stamp):
            pose = self._motion_model.predict(pose, (stamp - before) * 1e-9)
        return pose, None, ''

    def start_again(
        self, stamp: int, before: int, pose: np.ndarray, guide: Guide, usable: bool
    ) -> tuple[np.ndarray, str]:
        """Return the pose of a frame that a new map, without depth yet, does not explain.

        Args:
            stamp, before, pose, guide: as of ``lose``.
            usable: whether a map begins with the frame; else the pose is held.

        Returns:
            The pose, and what it does if another odometry is followed.
        """
        if not (self.follows(guide) and guide.metric):
            return pose, ''
        if not usable:
            self._dead_reckoning.begin(before, pose)
            return pose, ''
        pose, _ = self._dead_reckoning.follow(stamp, before, pose, guide)
        return pose, self._dead_reckoning.reason

    def assume(self, stamp: int, before: int, pose: np.ndarray, guide: Guide) -> np.ndarray:
        """Return the pose that a frame is assumed at before it is located again.

        Args:
            stamp, before, pose, guide: as of ``lose``.
        """
        if not (self.follows(guide) and guide.metric):
            return pose
        return self._dead_reckoning.follow(stamp, before, pose, guide)[0]

    def follows(self, guide: Guide) -> bool:
        """Whether the pose follows a guide while the camera is lost."""
        return guide.bridges or self._settings.policy == 'odometry'

    def restart_is_due(self, stamp: int) -> bool:
        """Whether the camera is lost for longer than ``recovery.restart_after``."""
        return self._seconds_lost(stamp) > self._settings.restart_after

    def restart(self, covariance: np.ndarray) -> None:
        """Continue in a new map, from the same pose.

        Args:
            covariance: (6, 6) of the pose in ``odom``, which all later poses have too.
        """
        self.since = None
        self.restarts += 1
        self.continue_from(covariance)
        self._motion_model.interrupt()

    def continue_from(self, covariance: np.ndarray) -> None:
        """Give all later poses the covariance (6, 6) that the present one has in ``odom``."""
        self._odom_frame.keep_map(covariance)
        self._dead_reckoning.stop()

    def rescale(self, scale: float, shift: np.ndarray) -> None:
        """Convert the motion model to another unit: X' = scale X + shift, (3,)."""
        self._motion_model.rescale(scale, shift)

    def is_jump(self, pose: np.ndarray, other: np.ndarray, seconds: float, depth: float) -> bool:
        """Whether a step between two poses is a jump, see ``MotionModel``; never while lost."""
        step = inverse_transform(pose) @ other
        return not self.lost and self._motion_model.is_jump(step, seconds, depth)

    def predict(self, pose: np.ndarray, seconds: float) -> np.ndarray:
        """Return the pose (4, 4) after ``seconds`` at the last velocity; held while lost."""
        return pose if self.lost else self._motion_model.predict(pose, seconds)

    def relocalise(
        self,
        stamp: int,
        pose: np.ndarray,
        pose_found: np.ndarray,
        covariance: np.ndarray,
        depth: float,
        other_map: bool,
    ) -> None:
        """Continue the pose in ``odom`` from where it is (REP 105), once the camera is located.

        Args:
            stamp: nanoseconds, the frame's.
            pose: assumed until now.
            pose_found: as located.
            covariance: (6, 6) of the former in ``odom``.
            depth: median depth of the scene.
            other_map: whether ``pose_found`` is in another map, unrelated to the last one.
        """
        silent, self.since = self.silent, None
        in_odom = self._odom_frame.to_odom(pose)
        step = inverse_transform(pose) @ pose_found
        seconds = (stamp - self._motion_model.last_stamp) * 1e-9
        if other_map or not self._motion_model.reaches(step, seconds, depth):
            self._odom_frame.move_map(in_odom, pose_found, covariance)
            self._motion_model.interrupt()
        elif not silent:
            self._odom_frame.blend_from(in_odom, pose_found)

    def add_tracked(self, stamp: int, pose: np.ndarray, seconds: float, depth: float) -> None:
        """Add the pose of a tracked frame, ``seconds`` after the one before."""
        self._dead_reckoning.stop()
        self._odom_frame.blend(pose, self._motion_model.twist(), seconds, depth)
        self._motion_model.add_pose(stamp, pose)

    def to_odom(self, pose: np.ndarray) -> np.ndarray:
        """Convert a pose in the map to ``odom``."""
        return self._odom_frame.to_odom(pose)

    @property
    def odom_from_map(self) -> np.ndarray:
        """(4, 4), a rigid motion."""
        return self._odom_frame.odom_from_map

    def covariance(
        self, stamp: int, pose: np.ndarray, covariance: np.ndarray, depth: float
    ) -> np.ndarray:
        """Return the (6, 6) covariance of the pose in ``odom`` from that in the map."""
        if self._settings.policy == 'odometry' or self._dead_reckoning.has_begun:
            covariance = self._dead_reckoning.covariance(pose, covariance)
            blind = drift_while_blind(self._dead_reckoning.blind_seconds, depth)
            return self._odom_frame.covariance_of(pose, covariance) + blind
        total = self._odom_frame.covariance_of(pose, covariance)
        if self.lost:
            seconds = max(self._seconds_lost(stamp), TUNING.min_seconds_lost)
            growth = min(seconds, seconds**2) if self._settings.policy == 'predict' else seconds
            total += drift_while_blind(growth, depth)
        return total

    def _seconds_lost(self, stamp: int) -> float:
        return 0.0 if self.since is None else (stamp - self.since) * 1e-9
