# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion while the camera sees nothing: integrated from the last state that it had."""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.geometry.rigid_motion import skew, transform
from loftr_vo.odometry.inertial.inertial_state import (
    ACCELEROMETER,
    GRAVITY,
    GYROSCOPE,
    ROTATION,
    SIZE,
    VELOCITY,
    InertialState,
)
from loftr_vo.odometry.inertial.preintegration import Preintegrated, preintegrate
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.scale.cell_depth import NoReading
from loftr_vo.odometry.scale.wheel_path import BaseMotion


class InertialPath:
    """How the IMU moves after a state, for some seconds; see ``wheel_path.Guide``.

    Args:
        stamp: nanoseconds, of the state.
        state: to begin with, with the origin and the axes of any world.
        samples: of the IMU, which go on coming.
        noise: of the IMU.
        seconds: for which the motion is integrated.
    """

    def __init__(
        self,
        stamp: int,
        state: InertialState,
        samples: SampleBuffer,
        noise: ImuNoise,
        seconds: float,
    ) -> None:
        self._stamp = stamp
        self._state = state
        self._samples = samples
        self._noise = noise
        self._seconds = seconds

    @property
    def last_stamp(self) -> int | None:
        """Nanoseconds, of the last measurement; None without any."""
        return self._samples.last_stamp

    def covers(self, stamp: int) -> bool:
        """Whether the motion is known from a time in nanoseconds on."""
        return stamp >= self._stamp

    def motion(self, start: int, end: int) -> BaseMotion:
        """Return how the IMU moved between two times in nanoseconds.

        Raises:
            NoReading: measurements are missing, or it is too long ago that the camera saw.
        """
        if (end - self._stamp) * 1e-9 > self._seconds:
            raise NoReading(f'the IMU alone is good for {self._seconds:g} s')
        state = self._state
        if start > self._stamp:
            state = _advanced(state, self._preintegrated(state, self._stamp, start))
        if end == start:
            return BaseMotion(np.eye(4), np.zeros((6, 6)))
        return relative_motion(state, self._preintegrated(state, start, end))

    def _preintegrated(self, state: InertialState, start: int, end: int) -> Preintegrated:
        return preintegrate(self._samples.steps(start, end), state.bias, self._noise)


def relative_motion(state: InertialState, gained: Preintegrated) -> BaseMotion:
    """Return the motion after a state, in the axes of the IMU there.

    Args:
        state: velocity, gravity and biases, with their covariance.
        gained: the measurements from there on, with the state's biases subtracted.
    """
    seconds = float(gained.seconds)
    axes = state.rotation.T
    velocity, gravity = axes @ state.velocity, axes @ state.gravity
    position = velocity * seconds + gravity * seconds**2 / 2 + gained.position
    jacobian = np.zeros((6, SIZE))
    jacobian[:3, VELOCITY] = axes * seconds
    # An error of the attitude is one of the directions of velocity and gravity.
    jacobian[:3, ROTATION] = skew(velocity * seconds + gravity * seconds**2 / 2)
    jacobian[:3, GYROSCOPE] = gained.by_gyroscope[6:]
    jacobian[:3, ACCELEROMETER] = gained.by_accelerometer[6:]
    across = np.linalg.norm(state.gravity) * state.tangent
    jacobian[:3, GRAVITY] = axes @ across * seconds**2 / 2
    jacobian[3:, GYROSCOPE] = gained.rotation @ gained.by_gyroscope[:3]
    noise = np.zeros((6, 9))
    noise[:3, 6:] = np.eye(3)
    noise[3:, :3] = gained.rotation  # a right perturbation, as a left one
    covariance = jacobian @ state.covariance @ jacobian.T
    covariance = covariance + noise @ gained.covariance @ noise.T
    return BaseMotion(transform(gained.rotation, position), covariance)


def _advanced(state: InertialState, gained: Preintegrated) -> InertialState:
    """Return the state after a motion that only the IMU measured.

    The covariance is that of all but the position, which nothing later depends on.
    """
    seconds = float(gained.seconds)
    change = np.eye(SIZE)
    change[ROTATION, ROTATION] = gained.rotation.T
    change[ROTATION, GYROSCOPE] = gained.by_gyroscope[:3]
    change[VELOCITY, ROTATION] = -state.rotation @ skew(gained.velocity)
    change[VELOCITY, GYROSCOPE] = state.rotation @ gained.by_gyroscope[3:6]
    change[VELOCITY, ACCELEROMETER] = state.rotation @ gained.by_accelerometer[3:6]
    change[VELOCITY, GRAVITY] = np.linalg.norm(state.gravity) * state.tangent * seconds
    covariance = change @ state.covariance @ change.T
    noise = np.zeros((SIZE, 6))
    noise[ROTATION, :3] = np.eye(3)
    noise[VELOCITY, 3:] = state.rotation
    covariance = covariance + noise @ gained.covariance[:6, :6] @ noise.T
    return InertialState(
        state.rotation @ gained.rotation,
        state.velocity + state.gravity * seconds + state.rotation @ gained.velocity,
        state.position,
        state.bias,
        state.scale,
        state.gravity,
        state.tangent,
        covariance,
    )
