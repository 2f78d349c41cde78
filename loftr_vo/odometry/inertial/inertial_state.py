# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The state of an IMU at one time, with gravity, the scale and their covariance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loftr_vo.geometry.rigid_motion import skew
from loftr_vo.odometry.inertial.preintegration import Bias

# Places in a state's vector of errors: rotation (right perturbation), velocity, position, biases
# of gyroscope and accelerometer, logarithm of the scale, gravity's direction along ``tangent``.
ROTATION = slice(0, 3)
VELOCITY = slice(3, 6)
POSITION = slice(6, 9)
GYROSCOPE = slice(9, 12)
ACCELEROMETER = slice(12, 15)
SCALE = 15
GRAVITY = slice(16, 18)
SIZE = 18


@dataclass(frozen=True, eq=False)
class InertialState:
    """The state in a world with some axes and some origin.

    Attributes:
        rotation: (3, 3), world from IMU.
        velocity: (3,) of the IMU in the world, in m/s.
        position: (3,) of the IMU in the world, in metres.
        bias: of the IMU.
        scale: metres in a unit of the map.
        gravity: (3,) in the world, in m/s^2, down.
        tangent: (3, 2), unit vectors across gravity.
        covariance: (18, 18) of the errors, see the module.
    """

    rotation: np.ndarray
    velocity: np.ndarray
    position: np.ndarray
    bias: Bias
    scale: float
    gravity: np.ndarray
    tangent: np.ndarray
    covariance: np.ndarray

    @property
    def scale_sigma(self) -> float:
        """Relative standard deviation of the scale."""
        return float(np.sqrt(self.covariance[SCALE, SCALE]))

    @property
    def gravity_sigma(self) -> float:
        """Standard deviation of gravity's direction in radians, along its worse axis."""
        return float(np.sqrt(np.linalg.eigvalsh(self.covariance[GRAVITY, GRAVITY])[-1]))

    def turned(self, rotation: np.ndarray) -> InertialState:
        """Return the state in other axes of the world.

        Args:
            rotation: (3, 3), the other axes from these.
        """
        change = np.eye(SIZE)
        change[VELOCITY, VELOCITY] = change[POSITION, POSITION] = rotation
        return replace(
            self,
            rotation=rotation @ self.rotation,
            velocity=rotation @ self.velocity,
            position=rotation @ self.position,
            gravity=rotation @ self.gravity,
            tangent=rotation @ self.tangent,
            covariance=change @ self.covariance @ change.T,
        )

    def from_place(self, place: np.ndarray) -> InertialState:
        """Return the state in a world whose origin is a place (3,) of the map, in units.

        What is uncertain in metres is the place's distance from the origin before.
        """
        change = np.eye(SIZE)
        change[POSITION, SCALE] = -self.scale * place
        return replace(
            self,
            position=self.position - self.scale * place,
            covariance=change @ self.covariance @ change.T,
        )

    def rescaled(self, factor: float) -> InertialState:
        """Return the state for a map whose lengths are multiplied by ``factor``."""
        return replace(self, scale=self.scale / factor)

    def in_turned_map(self, sigma: float) -> InertialState:
        """Return the state in a map whose axes have drifted by an unknown rotation.

        All vectors turn together, so what the IMU knows of itself, such as where it feels gravity,
        stays as certain as it was.

        Args:
            sigma: standard deviation of the rotation about each axis, in radians.
        """
        direction = self.gravity / np.linalg.norm(self.gravity)
        by_turn = np.zeros((SIZE, 3))
        by_turn[ROTATION] = self.rotation.T
        by_turn[VELOCITY] = -skew(self.velocity)
        by_turn[POSITION] = -skew(self.position)
        by_turn[GRAVITY] = -self.tangent.T @ skew(direction)
        return replace(self, covariance=self.covariance + sigma**2 * by_turn @ by_turn.T)

    def spread(self, variances: np.ndarray) -> InertialState:
        """Return the state with variances (18,) added."""
        return replace(self, covariance=self.covariance + np.diag(variances))
