# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A smooth path of an IMU in closed form, and what the IMU measures on it."""

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.inertial import ImuSamples

GRAVITY = np.array([0.0, 0.0, -9.81])


class SmoothPath:
    """Sums of sines: position in metres, yaw, pitch and roll in radians.

    Args:
        seed: of amplitudes and phases.
        distance, angle: amplitudes; zero for an IMU at rest.
    """

    def __init__(self, seed=0, distance=1.0, angle=0.5):
        source = np.random.default_rng(seed)
        self._amplitude = np.r_[[distance] * 3, [angle] * 3] * source.uniform(0.4, 1, (3, 6))
        self._rate = source.uniform(0.5, 3.0, (3, 6))
        self._phase = source.uniform(0, 2 * np.pi, (3, 6))

    def _values(self, times, order):
        """Derivative of the six coordinates by time, (N, 6)."""
        inner = self._rate * np.asarray(times)[:, None, None] + self._phase + order * np.pi / 2
        return np.sum(self._amplitude * self._rate**order * np.sin(inner), axis=1)

    def poses(self, times):
        """(N, 4, 4) world from IMU."""
        values = self._values(times, 0)
        poses = np.tile(np.eye(4), (len(values), 1, 1))
        poses[:, :3, 3] = values[:, :3]
        poses[:, :3, :3] = Rotation.from_euler('ZYX', values[:, 3:]).as_matrix()
        return poses

    def velocities(self, times):
        """(N, 3) in the world."""
        return self._values(times, 1)[:, :3]

    def angular_velocity(self, times):
        """(N, 3) in the IMU's axes: the rates of yaw, pitch and roll about their axes."""
        _, pitch, roll = self._values(times, 0)[:, 3:].T
        yaw_rate, pitch_rate, roll_rate = self._values(times, 1)[:, 3:].T
        return np.column_stack(
            [
                roll_rate - np.sin(pitch) * yaw_rate,
                np.cos(roll) * pitch_rate + np.sin(roll) * np.cos(pitch) * yaw_rate,
                -np.sin(roll) * pitch_rate + np.cos(roll) * np.cos(pitch) * yaw_rate,
            ]
        )

    def specific_force(self, times):
        """(N, 3) in the IMU's axes."""
        acceleration = self._values(times, 2)[:, :3] - GRAVITY
        rotation = self.poses(times)[:, :3, :3]
        return np.einsum('nji,nj->ni', rotation, acceleration)

    def samples(
        self, end, rate=200.0, start=0.0, gyroscope=(0, 0, 0), accelerometer=(0, 0, 0), noise=None
    ):
        """Return the measurements from ``start`` to ``end``, with biases and noise.

        Args:
            end, start: seconds.
            rate: in Hz.
            gyroscope, accelerometer: biases.
            noise: ``ImuNoise`` and a source of random numbers; None for none.
        """
        times = np.arange(round(start * rate), round(end * rate) + 1) / rate
        angular_velocity = self.angular_velocity(times) + gyroscope
        specific_force = self.specific_force(times) + accelerometer
        if noise is not None:
            model, source = noise
            shape = angular_velocity.shape
            angular_velocity += source.normal(0, model.gyroscope * rate**0.5, shape)
            specific_force += source.normal(0, model.accelerometer * rate**0.5, shape)
            walk = source.normal(0, rate**-0.5, shape).cumsum(axis=0)
            angular_velocity += model.gyroscope_walk * walk
            walk = source.normal(0, rate**-0.5, shape).cumsum(axis=0)
            specific_force += model.accelerometer_walk * walk
        return ImuSamples(np.round(times * 1e9).astype(np.int64), angular_velocity, specific_force)
