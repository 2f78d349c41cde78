# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of the pose while the camera is lost, and when it is found."""

from __future__ import annotations

import numpy as np

from loftr_vo.config import RecoverySettings
from loftr_vo.geometry.rigid_motion import inverse_transform
from loftr_vo.odometry.tracking.motion_model import MotionModel
from loftr_vo.odometry.tracking.odom_frame import OdomFrame
from loftr_vo.odometry.tracking.tuning import TUNING


class Relocalisation:
    """Keeps the time since the camera was lost, and carries the pose over that time.

    All poses are (4, 4), world from camera, in the map; ``shown`` is where they are in ``odom``.

    Attributes:
        since: nanoseconds of the first frame lost; None while the camera is not.
        restarts: new starts made so far.
    """

    def __init__(self, settings: RecoverySettings) -> None:
        """Start where the camera is not lost."""
        self._settings = settings
        self._motion_model = MotionModel()
        self._odom_frame = OdomFrame()
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
        """Whether nothing is to be published of the pose now."""
        return self.lost and self._settings.policy == 'silent'

    def lose(self, stamp: int, pose: np.ndarray, seconds: float) -> np.ndarray:
        """Go through one more frame without a motion; return the pose to go on with.

        Args:
            stamp: nanoseconds, the frame's.
            pose: before it.
            seconds: since the frame before.
        """
        self.since = stamp if self.since is None else self.since
        # What was right for a moment is no guess for long: then the pose is held.
        if self._settings.policy == 'predict' and not self.is_over(stamp):
            return self._motion_model.predict(pose, seconds)
        return pose

    def is_over(self, stamp: int) -> bool:
        """Whether it is time for a new start."""
        return self._seconds_lost(stamp) > self._settings.restart_after

    def start_anew(self, covariance: np.ndarray) -> None:
        """Go on in a new map, from the same pose.

        Args:
            covariance: (6, 6) of the pose in ``odom``, which stays in all poses from here on.
        """
        self.since = None
        self.restarts += 1
        self._odom_frame.settle(covariance)
        self._motion_model.interrupt()

    def rescale(self, scale: float, shift: np.ndarray) -> None:
        """Have the map in another unit: X' = scale X + shift, (3,)."""
        self._motion_model.rescale(scale, shift)

    def is_jump(self, pose: np.ndarray, there: np.ndarray, seconds: float, depth: float) -> bool:
        """Whether a camera at ``pose`` cannot be ``there`` a frame later; see ``MotionModel``."""
        step = inverse_transform(pose) @ there
        return not self.lost and self._motion_model.is_jump(step, seconds, depth)

    def predict(self, pose: np.ndarray, seconds: float) -> np.ndarray:
        """Return the pose (4, 4) after ``seconds`` more of the last velocity; held while lost."""
        return pose if self.lost else self._motion_model.predict(pose, seconds)

    def find(
        self,
        stamp: int,
        pose: np.ndarray,
        found: np.ndarray,
        covariance: np.ndarray,
        depth: float,
        other_map: bool,
    ) -> None:
        """Have the pose in ``odom`` go on from where it stands (REP 105).

        Args:
            stamp: nanoseconds, the frame's.
            pose: what it was taken to be until now.
            found: what it is.
            covariance: (6, 6) of the former in ``odom``.
            depth: the usual one.
            other_map: whether ``found`` is in a map that has nothing to do with the last one.
        """
        silent, self.since = self.silent, None
        shown = self._odom_frame.to_odom(pose)
        step = inverse_transform(pose) @ found
        seconds = (stamp - self._motion_model.last_stamp) * 1e-9
        if other_map or not self._motion_model.reaches(step, seconds, depth):
            self._odom_frame.stay(shown, found, covariance)
            self._motion_model.interrupt()
        elif not silent:
            self._odom_frame.glide_from(shown, found)

    def follow(self, stamp: int, pose: np.ndarray, seconds: float, depth: float) -> None:
        """Take note of a frame that is tracked; see ``OdomFrame.glide``."""
        self._odom_frame.glide(pose, self._motion_model.twist(), seconds, depth)
        self._motion_model.add_pose(stamp, pose)

    def shown(self, pose: np.ndarray) -> np.ndarray:
        """Return where a pose in the map is in ``odom``."""
        return self._odom_frame.to_odom(pose)

    @property
    def odom_from_map(self) -> np.ndarray:
        """(4, 4), a rigid motion."""
        return self._odom_frame.odom_from_map

    def covariance(
        self, stamp: int, pose: np.ndarray, covariance: np.ndarray, depth: float
    ) -> np.ndarray:
        """Return the (6, 6) covariance of the pose in ``odom`` from that in the map."""
        total = self._odom_frame.covariance_of(pose, covariance)
        if self.lost:
            seconds = max(self._seconds_lost(stamp), TUNING.min_seconds_lost)
            growth = min(seconds, seconds**2) if self._settings.policy == 'predict' else seconds
            drift = TUNING.lost_drift * growth * np.array([depth, depth, depth, 1.0, 1.0, 1.0])
            total += np.diag(drift**2)
        return total

    def _seconds_lost(self, stamp: int) -> float:
        return 0.0 if self.since is None else (stamp - self.since) * 1e-9
