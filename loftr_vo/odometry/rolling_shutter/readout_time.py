# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Rolling shutters: how long the readout takes, found out while the camera turns.

While it is not known, nothing is corrected. The turn of each picture is measured all the same
wherever the camera turns fast enough, and held against how fast it turned: the one is so many
seconds of the other, the same for all pictures of a camera, and none at all for a global shutter.
Measured are differences from the keyframe, since a turn that two pictures share is hardly seen.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.rigid_motion import split, transform
from loftr_vo.geometry.rotation import rotation_vector
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.rolling_shutter.model import NO_ROTATION, ReadoutEstimate, share_of_readout
from loftr_vo.odometry.rolling_shutter.pose_and_turn import (
    PoseAndReadoutRotation,
    refine_pose_and_readout_rotation,
)
from loftr_vo.odometry.rolling_shutter.tuning import TUNING


@dataclass(frozen=True, eq=False)
class _Past:
    """A tracked frame: its stamp, its rotation (3, 3), and what its turn is more than another's.

    Attributes:
        change: (3,) radians, None where it was not measured.
        since: stamp of that other one, its keyframe.
    """

    stamp: int
    rotation: np.ndarray
    change: np.ndarray | None
    since: int


class ReadoutTimeEstimator:
    """Knows the turn of each picture, and learns the readout time from what it sees.

    Attributes:
        seconds: from the first row to the last, below zero where the last comes first; zero for a
            global shutter and as long as nothing is known.
        known: whether it is a shutter of known kind.
    """

    def __init__(self, settings: GeometrySettings) -> None:
        self.known = False
        self.seconds = 0.0
        self._past: deque[_Past] = deque(maxlen=3)
        self._velocities: dict[int, np.ndarray] = {}
        # Of the measurements: information, the same times seconds, squares, and their number.
        self._information, self._weighted, self._squared, self._count = 0.0, 0.0, 0.0, 0
        self.configure(settings)

    def configure(self, settings: GeometrySettings) -> None:
        """Take over changed settings."""
        self._given = settings.readout_time >= 0
        if self._given:
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
        """Return the turn of a frame.

        Args:
            keyframe: with its cells' depths.
            frame: the frame.
            cells: (N,) of the keyframe, the matched ones.
            located: where they are in the frame.
            expected: (4, 4) frame from keyframe, a guess.
        """
        readout_rotation = self.expected_readout_rotation()
        uncorrected = ReadoutEstimate(readout_rotation, lambda: None, expected, np.zeros((6, 6)))
        if not self._is_wanted():
            return uncorrected

        def fitted() -> PoseAndReadoutRotation | None:
            return _fit(keyframe, frame, cells, located, split(expected), readout_rotation)

        if not self.known:
            return replace(uncorrected, measured=lambda: _readout_rotation_of(fitted()))
        fit = fitted()
        if fit is None:
            return uncorrected
        there = transform(fit.rotation, fit.translation)
        return ReadoutEstimate(
            fit.readout_rotation,
            lambda: fit.readout_rotation,
            there,
            fit.covariance_by_readout_rotation,
        )

    def expected_readout_rotation(self) -> np.ndarray:
        """(3,) radians, of a picture that comes now, if the camera goes on turning as it did."""
        return self.seconds * self.angular_velocity() if self.seconds else NO_ROTATION

    def readout_rotation_at(self, stamp: int) -> np.ndarray | None:
        """(3,) radians, of an earlier picture by the velocity it had; None if that is not known.

        What a picture shows of its turn is no more than how it differs from its keyframe's. This
        is without what would add up from keyframe to keyframe.
        """
        velocity = self._velocities.get(stamp)
        return None if velocity is None else self.seconds * velocity

    def follow(
        self, frame: Frame, rotation: np.ndarray, keyframe: Keyframe, readout: ReadoutEstimate
    ) -> None:
        """Take note of a tracked frame, and learn from the one before.

        Args:
            frame: the frame.
            rotation: (3, 3), world from camera.
            keyframe: what it was matched with.
            readout: what was known of it before.
        """
        if self._past and frame.stamp <= self._past[-1].stamp:
            return
        measured = readout.measured()
        finite = measured is not None and bool(np.isfinite(measured).all())
        change = measured - keyframe.readout_rotation if finite else None
        self._past.append(_Past(frame.stamp, rotation, change, keyframe.frame.stamp))
        if len(self._past) < 3 or self._are_apart():
            return
        before, middle, after = self._past
        self._velocities[middle.stamp] = _velocity(before, after)
        if len(self._velocities) > TUNING.max_velocities:
            del self._velocities[next(iter(self._velocities))]
        self._update(middle)

    def interrupt(self) -> None:
        """Forget how fast the camera turned: what comes next does not follow on what was."""
        self._past.clear()

    def _is_wanted(self) -> bool:
        """Whether the turn of the next picture is to be measured."""
        speed = float(np.linalg.norm(self.angular_velocity()))
        if self.known:
            return abs(self.seconds) * speed > TUNING.min_rotation_to_correct
        return speed > TUNING.min_angular_velocity

    def angular_velocity(self) -> np.ndarray:
        """(3,) radians a second, between the last two frames; zero where there are none."""
        if len(self._past) < 2:
            return np.zeros(3)
        return _velocity(self._past[-2], self._past[-1])

    def _are_apart(self) -> bool:
        stamps = [past.stamp for past in self._past]
        return float(np.max(np.diff(stamps))) * 1e-9 > TUNING.max_frame_interval

    def _update(self, frame: _Past) -> None:
        """Hold a measured turn against the velocity, which is known now."""
        of_keyframe = self._velocities.get(frame.since)
        if frame.change is None or of_keyframe is None or self._given:
            return
        faster = self._velocities[frame.stamp] - of_keyframe
        self._information += float(faster @ faster) / TUNING.measurement_sigma**2
        self._weighted += float(faster @ frame.change) / TUNING.measurement_sigma**2
        self._squared += float(frame.change @ frame.change) / TUNING.measurement_sigma**2
        self._count += 1
        self._decide()

    def _decide(self) -> None:
        """See whether the measurements tell what shutter it is."""
        if self._count < TUNING.min_measurements:
            self.known, self.seconds = False, 0.0
            return
        seconds = self._weighted / self._information
        # Where they contradict each other by more than they should, the mean is less sure by as
        # much (Birge, The Calculation of Errors by the Method of Least Squares, 1932).
        apart = (self._squared - seconds * self._weighted) / (3 * self._count - 1)
        sigma = math.sqrt(max(1.0, apart) / self._information)
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
    witnesses = keyframe.known[cells] & located.tracked
    if witnesses.sum() < TUNING.min_cells:
        return None
    cells, located = cells[witnesses], located.select(witnesses)
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
        # The cells do not tell pose and turn apart; the pose by itself may still be found.
        return None
    near = bool(
        np.linalg.norm(fit.readout_rotation - readout_rotation) < TUNING.max_deviation
    )  # not where it is NaN
    return fit if near and np.isfinite(fit.covariance_by_readout_rotation).all() else None


def _readout_rotation_of(fit: PoseAndReadoutRotation | None) -> np.ndarray | None:
    return None if fit is None else fit.readout_rotation


def _velocity(first: _Past, last: _Past) -> np.ndarray:
    """(3,) radians a second in the camera's axes, in the mean between two frames."""
    turned = rotation_vector(first.rotation.T @ last.rotation)
    return turned / ((last.stamp - first.stamp) * 1e-9)
