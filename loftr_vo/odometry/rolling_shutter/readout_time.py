# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The readout time of a rolling shutter, estimated while the camera rotates.

Until it is known nothing is corrected. The readout rotation of a picture is its angular velocity
times the readout time, which is the same for all pictures of a camera, and zero for a global
shutter. So measured readout rotations are fitted to angular velocities. Only differences from the
keyframe are measured: a readout rotation that two pictures share is not observable.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.rigid_motion import split, transform
from loftr_vo.geometry.rotation import rotation_vector
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.rolling_shutter.model import NO_ROTATION, ReadoutEstimate, share_of_readout
from loftr_vo.odometry.rolling_shutter.pose_and_readout import (
    PoseAndReadoutRotation,
    refine_pose_and_readout_rotation,
)
from loftr_vo.odometry.rolling_shutter.tuning import TUNING


@dataclass(frozen=True, eq=False)
class _TrackedRotation:
    """A tracked frame.

    Attributes:
        stamp: nanoseconds.
        rotation: (3, 3), world from camera.
        change: (3,) radians, its readout rotation less that of its keyframe; None where it was not
            measured.
        keyframe_stamp: of its keyframe.
    """

    stamp: int
    rotation: np.ndarray
    change: np.ndarray | None
    keyframe_stamp: int


class ReadoutTimeEstimator:
    """Estimates the readout time, and with it the readout rotation of each picture.

    Attributes:
        seconds: from the first row to the last, negative where the last is read first; zero for a
            global shutter and as long as it is not known.
        known: whether the readout time is known.
        measured_rate: returns the mean angular velocity (3,) of the camera by a gyroscope, in its
            axes, from some seconds before a time in nanoseconds to as many after it; None where it
            is not known.
    """

    def __init__(self, settings: GeometrySettings) -> None:
        self.known = False
        self.seconds = 0.0
        self.measured_rate: Callable[[int, float], np.ndarray | None] = lambda stamp, around: None
        self._history: deque[_TrackedRotation] = deque(maxlen=3)
        self._velocities: dict[int, np.ndarray] = {}
        # Sums over the measurements: information, information times seconds, squares; their
        # number.
        self._information, self._weighted, self._squared, self._count = 0.0, 0.0, 0.0, 0
        self.configure(settings)

    def configure(self, settings: GeometrySettings) -> None:
        """Take over changed settings."""
        self._is_set = settings.readout_time >= 0
        if self._is_set:
            self.seconds, self.known = settings.readout_time, True
        else:
            self._decide()

    def read(
        self,
        keyframe: Keyframe,
        frame: Frame,
        cells: np.ndarray,
        located: LocatedMatches,
        expected: np.ndarray,
    ) -> ReadoutEstimate:
        """Return the readout rotation of a frame.

        Args:
            keyframe: with its cells' depths.
            frame: the frame.
            cells: (N,) of the keyframe, the matched ones.
            located: their positions in the frame.
            expected: (4, 4) predicted motion, frame from keyframe.
        """
        readout_rotation = self.expected_readout_rotation(frame.stamp)
        uncorrected = ReadoutEstimate(readout_rotation, lambda: None, expected, np.zeros((6, 6)))
        if not self._is_wanted(frame.stamp):
            return uncorrected

        def fitted() -> PoseAndReadoutRotation | None:
            return _fit(keyframe, frame, cells, located, split(expected), readout_rotation)

        if not self.known or self._measured_rate(frame.stamp) is not None:
            # It is measured for the readout time only.
            return replace(uncorrected, measured=lambda: _readout_rotation_of(fitted()))
        fit = fitted()
        if fit is None:
            return uncorrected
        motion = transform(fit.rotation, fit.translation)
        return ReadoutEstimate(
            fit.readout_rotation,
            lambda: fit.readout_rotation,
            motion,
            fit.covariance_by_readout_rotation,
        )

    def expected_readout_rotation(self, stamp: int) -> np.ndarray:
        """(3,) radians, of the picture of a time in nanoseconds, by ``angular_velocity``."""
        return self.seconds * self.angular_velocity(stamp) if self.seconds else NO_ROTATION

    def readout_rotation_at(self, stamp: int) -> np.ndarray | None:
        """(3,) radians, of an earlier picture by its angular velocity; None if that is not known.

        Measured differences to keyframes would accumulate from keyframe to keyframe; this does
        not.
        """
        velocity = self._velocities.get(stamp)
        return None if velocity is None else self.seconds * velocity

    def follow(
        self, frame: Frame, rotation: np.ndarray, keyframe: Keyframe, readout: ReadoutEstimate
    ) -> None:
        """Add a tracked frame, and update the readout time with the one before.

        Args:
            frame: the frame.
            rotation: (3, 3), world from camera.
            keyframe: its reference.
            readout: as estimated before its motion.
        """
        if self._history and frame.stamp <= self._history[-1].stamp:
            return
        measured = readout.measured()
        finite = measured is not None and bool(np.isfinite(measured).all())
        change = measured - keyframe.readout_rotation if finite else None
        self._history.append(_TrackedRotation(frame.stamp, rotation, change, keyframe.frame.stamp))
        if len(self._history) < 3 or self._has_gap():
            return
        before, middle, after = self._history
        measured = self._measured_rate(middle.stamp)
        self._velocities[middle.stamp] = _velocity(before, after) if measured is None else measured
        if len(self._velocities) > TUNING.max_velocities:
            del self._velocities[next(iter(self._velocities))]
        self._update(middle)

    def interrupt(self) -> None:
        """Clear the history of rotations, angular velocity included."""
        self._history.clear()

    def _is_wanted(self, stamp: int) -> bool:
        """Whether the readout rotation of a picture is to be measured."""
        speed = float(np.linalg.norm(self.angular_velocity(stamp)))
        if self.known:
            return abs(self.seconds) * speed > TUNING.min_rotation_to_correct
        return speed > TUNING.min_angular_velocity

    def angular_velocity(self, stamp: int) -> np.ndarray:
        """(3,) radians a second at a time in nanoseconds, in the camera's axes.

        By the gyroscope, else between the last two frames, else zero.
        """
        measured = self._measured_rate(stamp)
        if measured is not None:
            return measured
        if len(self._history) < 2:
            return np.zeros(3)
        return _velocity(self._history[-2], self._history[-1])

    def _measured_rate(self, stamp: int) -> np.ndarray | None:
        """(3,) during the readout of a picture, by the gyroscope; None where it is not known."""
        around = abs(self.seconds) / 2 if self.seconds else TUNING.rate_seconds / 2
        return self.measured_rate(stamp, around)

    def _has_gap(self) -> bool:
        stamps = [each.stamp for each in self._history]
        return float(np.max(np.diff(stamps))) * 1e-9 > TUNING.max_frame_interval

    def _update(self, frame: _TrackedRotation) -> None:
        """Add a measured readout rotation, once the angular velocity on both sides is known."""
        of_keyframe = self._velocities.get(frame.keyframe_stamp)
        if frame.change is None or of_keyframe is None or self._is_set:
            return
        difference = self._velocities[frame.stamp] - of_keyframe
        self._information += float(difference @ difference) / TUNING.measurement_sigma**2
        self._weighted += float(difference @ frame.change) / TUNING.measurement_sigma**2
        self._squared += float(frame.change @ frame.change) / TUNING.measurement_sigma**2
        self._count += 1
        self._decide()

    def _decide(self) -> None:
        """Decide whether the shutter is rolling, global or not known yet."""
        if self._count < TUNING.min_measurements:
            self.known, self.seconds = False, 0.0
            return
        seconds = self._weighted / self._information
        # Where they scatter by more than their variance, that of the mean is scaled (Birge, The
        # Calculation of Errors by the Method of Least Squares, 1932).
        scatter = (self._squared - seconds * self._weighted) / (3 * self._count - 1)
        sigma = math.sqrt(max(1.0, scatter) / self._information)
        rolling = abs(seconds) > max(TUNING.min_significance * sigma, TUNING.min_readout_time)
        self.known = rolling or sigma < TUNING.global_shutter_sigma
        self.seconds = seconds if rolling else 0.0


def _fit(
    keyframe: Keyframe,
    frame: Frame,
    cells: np.ndarray,
    located: LocatedMatches,
    start: tuple[np.ndarray, np.ndarray],
    readout_rotation: np.ndarray,
) -> PoseAndReadoutRotation | None:
    """Fit pose and readout rotation near an expected one (3,); None where that fails."""
    chosen = keyframe.known[cells] & located.tracked
    if chosen.sum() < TUNING.min_cells:
        return None
    cells, located = cells[chosen], located.select(chosen)
    observations, kept = keyframe.observed(cells, located, frame.camera)
    if len(kept) < TUNING.min_cells:
        return None
    rows = (located.points[:, 1] + keyframe.offsets[cells, 1])[kept]
    try:
        fit = refine_pose_and_readout_rotation(
            observations,
            share_of_readout(rows, frame.camera.height),
            start,
            readout_rotation,
            TUNING.sigma_at_rest + TUNING.relative_sigma * float(np.linalg.norm(readout_rotation)),
        )
    except np.linalg.LinAlgError:
        # Pose and readout rotation are not distinguishable; the pose alone may still be.
        return None
    deviation = np.linalg.norm(fit.readout_rotation - readout_rotation)
    near = bool(deviation < TUNING.max_deviation)  # False where it is NaN
    return fit if near and np.isfinite(fit.covariance_by_readout_rotation).all() else None


def _readout_rotation_of(fit: PoseAndReadoutRotation | None) -> np.ndarray | None:
    return None if fit is None else fit.readout_rotation


def _velocity(first: _TrackedRotation, last: _TrackedRotation) -> np.ndarray:
    """(3,) mean angular velocity between two frames, radians a second, in the camera's axes."""
    rotation = rotation_vector(first.rotation.T @ last.rotation)
    return rotation / ((last.stamp - first.stamp) * 1e-9)
