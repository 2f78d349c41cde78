# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scale, gravity, biases and velocity from camera and IMU, in windows one after the other.

The first window grows until the scale is known. Each later one begins where the last ended, with
the state there as its prior. So every measurement counts once, and the covariance is honest.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from typing import NoReturn

import numpy as np

from loftr_vo.geometry.inertial import ImuNoise, ImuSamples
from loftr_vo.geometry.rotation import rotation_vector
from loftr_vo.odometry.inertial.alignment_window import window_of
from loftr_vo.odometry.inertial.bridge import InertialPath
from loftr_vo.odometry.inertial.camera_path import CameraPath, PathPose
from loftr_vo.odometry.inertial.clock_offset import ClockOffset, clock_offset
from loftr_vo.odometry.inertial.gyroscope import camera_turn
from loftr_vo.odometry.inertial.inertial_state import GYROSCOPE, SIZE, InertialState
from loftr_vo.odometry.inertial.inertial_terms import InertialTerms
from loftr_vo.odometry.inertial.initialisation import (
    Backwards,
    OtherTurns,
    initialise,
    prior_of_biases,
)
from loftr_vo.odometry.inertial.initialisation_faults import (
    raise_if_clocks_differ,
    raise_if_negated,
)
from loftr_vo.odometry.inertial.keyframe_states import KeyframeStates
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.window import AlignmentWindow
from loftr_vo.odometry.inertial.window_after import aged, drifted, refine_after
from loftr_vo.odometry.inertial.window_refinement import Refined
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.scale.cell_depth import Contradiction, NoReading, NotYet
from loftr_vo.odometry.scale.scale_filter import Reading
from loftr_vo.odometry.scale.tuning import TUNING as SCALE_TUNING


class InertialEstimator:
    """Estimates what camera and IMU say together.

    Args:
        noise: of the IMU.
        imu_from_camera: (4, 4), maps points of the camera to the IMU; None where it is not known.

    Attributes:
        samples: the measurements.
        path: the camera's poses.
        bridge: the motion since the camera was lost; None while it is not.
        clock_offset: of the IMU; None where it is not known.
    """

    def __init__(self, noise: ImuNoise, imu_from_camera: np.ndarray | None = None) -> None:
        self._noise = noise
        self._imu_from_camera = imu_from_camera
        self.samples = SampleBuffer()
        self.path = CameraPath()
        # In the axes of the camera at ``_stamp``, with the camera as origin.
        self._state: InertialState | None = None
        self._stamp = 0
        self._at_keyframes = KeyframeStates()
        self._contradictions = 0
        self._prior = prior_of_biases()
        self.bridge: InertialPath | None = None
        self.clock_offset: ClockOffset | None = None

    def mount(self, imu_from_camera: np.ndarray, noise: ImuNoise) -> None:
        """Set where the IMU is, (4, 4), and its noise; the estimation begins anew."""
        self._imu_from_camera = imu_from_camera
        self._noise = noise
        self._state = None

    def add(self, samples: ImuSamples) -> None:
        """Add measurements."""
        self.samples.add(samples)

    def follow(
        self, stamp: int, keyframe: Keyframe, pose: np.ndarray, covariance: np.ndarray
    ) -> None:
        """Add the pose of a frame, see ``CameraPath``."""
        self.bridge = None
        self.path.add(stamp, keyframe, pose, covariance)
        if self._state is not None and stamp - self._stamp > TUNING.longest_step_seconds * 1e9:
            # A camera at rest makes no keyframes, at which there would be readings.
            self.path.refresh([keyframe])
            with contextlib.suppress(NoReading):
                self._keep(*self._advance(self._state, new_keyframe=False)[1:])

    def lose(self, seconds: float) -> None:
        """Note that the camera is lost, and begin to integrate its motion.

        Args:
            seconds: for which the motion is integrated at most.
        """
        if seconds > 0 and self.bridge is None and self._state is not None:
            try:
                _, refined, _, last = self._advance(self._state, new_keyframe=False)
                stamp, state = last.stamp, refined.last
            except NoReading:
                stamp, state = self._stamp, self._state
            self.bridge = InertialPath(stamp, state, self.samples, self._noise, seconds)
        self.interrupt()

    def interrupt(self) -> None:
        """Note that the path has a gap, and that the map may be another; biases are kept."""
        if self._state is not None:
            self._prior = prior_of_biases(self._state)
        self.path.clear()
        self._at_keyframes.clear()
        self._state = None

    def rescale(self, factor: float, shift: np.ndarray) -> None:
        """Convert to another unit of the map: X' = factor X + shift, (3,)."""
        self.path.rescale(factor, shift)
        self._at_keyframes.rescale(factor)
        if self._state is not None:
            self._state = self._state.rescaled(factor)

    def turn(self, start: int, end: int) -> np.ndarray | None:
        """Return how the camera turned between two times in nanoseconds, by the gyroscope.

        Returns:
            (3, 3), its axes at the start from those at the end; None where its bias is not known,
            or measurements are missing.
        """
        measured = self.turn_with_sigma(start, end)
        return None if measured is None else measured[0]

    def turn_with_sigma(self, start: int, end: int) -> tuple[np.ndarray, float] | None:
        """Return the same with its standard deviation about each axis, in radians."""
        known = self._state or self._prior.state
        return camera_turn(known, self.samples, self._noise, self.imu_from_camera, start, end)

    def angular_velocity(self, stamp: int, around: float) -> np.ndarray | None:
        """Return the camera's mean angular velocity (3,) by the gyroscope, in its axes, in rad/s.

        Args:
            stamp: nanoseconds.
            around: seconds before and after it. Where the last measurement is earlier, it is held
                for some milliseconds.
        """
        reach = round(TUNING.max_extrapolation * 1e9)
        half = round(around * 1e9)
        start, end = stamp - half, min(stamp + half, (self.samples.last_stamp or 0) + reach)
        measured = self.turn(start, end) if end > stamp else None
        return None if measured is None else rotation_vector(measured) / ((end - start) * 1e-9)

    @property
    def imu_from_camera(self) -> np.ndarray:
        """(4, 4), maps points of the camera to the IMU; the identity where it is not known."""
        return np.eye(4) if self._imu_from_camera is None else self._imu_from_camera

    @property
    def state(self) -> InertialState | None:
        """The last state, in the axes of the camera then, whose position is the origin."""
        return self._state

    def gravity(self) -> tuple[np.ndarray | None, float]:
        """Return gravity's direction in the map, (3,) unit vector, and its sigma in radians.

        None and infinity where it is not known. The sigma has the error that all windows share.
        """
        if self._state is None:
            return None, math.inf
        there = next(each for each in self.path.poses if each.stamp == self._stamp)
        gravity = there.pose[:3, :3] @ self._state.gravity
        sigma = math.hypot(self._state.gravity_sigma, TUNING.common_gravity_sigma)
        return gravity / np.linalg.norm(gravity), sigma

    def reading(self, keyframes: Iterable[Keyframe]) -> Reading:
        """Return the scale by what was measured since the last reading.

        Args:
            keyframes: of the map, with their present poses.

        Raises:
            NoReading: there is none.
        """
        if self._imu_from_camera is None:
            raise NoReading('where the IMU is beside the camera is not known')
        self.path.refresh(keyframes)
        return self._initialise() if self._state is None else self._continue(self._state)

    def window_terms(self, window: Sequence[Keyframe], fixed: int) -> InertialTerms | None:
        """Return the terms of the IMU in the refinement of keyframes.

        None where its state is not known, or it contradicts the pictures.

        Args:
            window: keyframes, the oldest first.
            fixed: number of the oldest that keep their pose.
        """
        if self._state is None or self._contradictions:
            return None
        try:
            return self._at_keyframes.terms(
                window, fixed, self.samples, self.imu_from_camera, self._noise
            )
        except (NoReading, np.linalg.LinAlgError):
            return None

    def _initialise(self) -> Reading:
        assert self._imu_from_camera is not None
        if not self.path.poses:
            raise NotYet('too few frames')
        last = self.path.poses[-1].stamp
        self.path.drop_before(last - round(TUNING.max_seconds * 1e9))
        self._synchronise()
        # Of an IMU that was switched on later, or whose clock is ahead.
        self.path.drop_before(self.samples.first_stamp or 0)
        poses = self._measured_poses()
        window = window_of(poses, self.samples, self._imu_from_camera, self._noise)
        try:
            refined = initialise(window, self._prior)
        except OtherTurns:
            raise_if_clocks_differ(poses, self.samples, self._imu_from_camera)
            raise
        except Backwards:
            raise_if_negated(window, self._prior)
            raise
        self._keep(refined, window, poses[-1])
        assert self._state is not None
        common = np.zeros(SIZE)
        common[GYROSCOPE] = TUNING.first_gyroscope_sigma**2
        self._state = self._state.spread(common)
        drift = SCALE_TUNING.drift
        return Reading(math.log(refined.last.scale), math.hypot(refined.last.scale_sigma, drift))

    def _synchronise(self) -> None:
        """Find the offset of the clocks, and correct it where it is significant."""
        found = clock_offset(list(self.path.poses), self.samples, self.imu_from_camera)
        if found is not None:
            self.clock_offset = found
            self.samples.offset = round(found.seconds * 1e9) if found.is_significant else 0

    def _continue(self, state: InertialState) -> Reading:
        seconds = (self.path.poses[-1].stamp - self._stamp) * 1e-9
        if seconds < TUNING.step_seconds:
            raise NotYet('too few frames')
        prior, refined, window, last = self._advance(state, new_keyframe=True)
        self._keep(refined, window, last)
        return _gained(prior, refined.last)

    def _advance(
        self, state: InertialState, *, new_keyframe: bool
    ) -> tuple[InertialState, Refined, AlignmentWindow, PathPose]:
        """Return the state with the measurements since its time, up to the last pose.

        Args:
            state: at ``_stamp``.
            new_keyframe: whether the last pose is a new keyframe's: only from one to the next the
                map drifts.

        Returns:
            What was expected, what was found, the window, and its last pose.

        Raises:
            NoReading: measurements are missing, or contradict each other.
        """
        assert self._imu_from_camera is not None
        poses = self._measured_poses(self._stamp)
        seconds = (poses[-1].stamp - self._stamp) * 1e-9
        window = window_of(
            poses, self.samples, self._imu_from_camera, self._noise, first_is_known=True
        )
        depth = poses[-1].position_sigma / TUNING.position_sigma
        prior_state = aged(state.turned(poses[0].pose[:3, :3]), seconds, self._noise)
        if new_keyframe:
            prior_state = drifted(prior_state, depth * state.scale)
        try:
            refined = refine_after(prior_state, window)
        except np.linalg.LinAlgError as error:
            self._state = None
            raise NoReading(f'IMU: {error}') from None
        if refined.misfit > TUNING.max_misfit:
            self._contradict(refined)
        self._contradictions = 0
        return prior_state, refined, window, poses[-1]

    def _measured_poses(self, first: int = 0) -> list[PathPose]:
        """Return the poses from a time in nanoseconds on, as far as the IMU has measured.

        Measurements come late, or with stamps that are late; those that are very late are missed
        where they are needed.
        """
        poses = [each for each in self.path.poses if each.stamp >= first]
        reached = self.samples.last_stamp or 0
        late = [each for each in poses if each.stamp > reached]
        few = bool(late) and (late[-1].stamp - reached) * 1e-9 < TUNING.max_lateness
        return poses[: len(poses) - len(late)] if few else poses

    def _contradict(self, refined: Refined) -> NoReturn:
        self._contradictions += 1
        if self._contradictions >= TUNING.max_contradictions:
            self._contradictions = 0
            self._state = None
        raise Contradiction(
            f'the IMU contradicts the pictures: {math.sqrt(refined.misfit):.1f} sigmas'
        )

    def _keep(self, refined: Refined, window: AlignmentWindow, last: PathPose) -> None:
        """Keep the last state, in the axes of the camera and from its place."""
        self._stamp = last.stamp
        moved = refined.last.from_place(window.positions[-1])
        self._state = moved.turned(last.pose[:3, :3].T)
        self._at_keyframes.add(self._stamp, self._state)
        self.path.drop_before(self._stamp)


def _gained(before: InertialState, after: InertialState) -> Reading:
    """Return what a window adds to the scale that was known before it."""
    known, now = before.scale_sigma**-2, after.scale_sigma**-2
    information = now - known
    if information < 1:
        raise NotYet('not enough acceleration')
    mean = (now * math.log(after.scale) - known * math.log(before.scale)) / information
    return Reading(mean, information**-0.5)
