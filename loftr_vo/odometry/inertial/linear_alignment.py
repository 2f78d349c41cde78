# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""First estimates: the gyroscope's bias from rotations, then gravity, velocities and scale.

Qin, Li, Shen: VINS-Mono, A Robust and Versatile Monocular Visual-Inertial State Estimator, 2018,
section V-B. All of it is linear; ``window_refinement`` starts from the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.so3 import inverse_right_jacobian, logarithm
from loftr_vo.odometry.inertial.preintegration import Bias, Preintegrated, prefix_products
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.window import AlignmentWindow

# Gravity in m/s^2: of the whole earth's surface within 0.3 % (WGS 84: 9.780 to 9.832).
GRAVITY_LENGTH = 9.81


class NotAligned(ValueError):
    """The motion does not determine scale and gravity; the message has the reason."""


class NegativeScale(NotAligned):
    """The scale is negative: by chance, or since specific forces are negated."""


@dataclass(frozen=True, eq=False)
class LinearAlignment:
    """Scale, gravity and velocities.

    Attributes:
        scale: metres in a unit.
        gravity: (3,) in the world, in m/s^2, down.
        velocities: (K, 3) of the IMU in the world, in m/s.
    """

    scale: float
    gravity: np.ndarray
    velocities: np.ndarray


def gyroscope_bias(window: AlignmentWindow, start: Bias) -> np.ndarray:
    """Return the bias (3,) with which the gyroscope's rotations are those of the camera.

    The rotation by the gyroscope from the first pose to each other one is compared with the
    camera's. Errors of the camera's poses then count once each; between neighbours they would
    count as a bias of the interval's own.

    Args:
        window: of the path.
        start: biases to begin with.
    """
    bias = start
    for _ in range(2):
        motions = window.preintegrate(bias)
        total = prefix_products(motions.rotation)  # from the first pose to each other one
        by_bias = np.cumsum(total @ motions.by_gyroscope[:, :3], axis=0)
        by_bias = total.swapaxes(1, 2) @ by_bias
        seen = window.rotations[0].T @ window.rotations[1:]
        errors = logarithm(total.swapaxes(1, 2) @ seen)
        # The first pose has an error too, which turns all others.
        rows = np.concatenate(
            [total.swapaxes(1, 2), inverse_right_jacobian(errors) @ by_bias], axis=2
        )
        rows = rows / window.rotation_sigma[1:, None, None]
        first = np.hstack([np.eye(3), np.zeros((3, 3))]) / window.rotation_sigma[1]
        matrix = np.concatenate([first, rows.reshape(-1, 6)])
        vector = np.concatenate([np.zeros(3), (errors / window.rotation_sigma[1:, None]).ravel()])
        solution = np.linalg.lstsq(matrix, vector, rcond=None)[0]
        bias = Bias(bias.gyroscope + solution[3:], bias.accelerometer)
    return bias.gyroscope


def rotation_misfit(window: AlignmentWindow, motions: Preintegrated) -> float:
    """Return the mean square by which both turn differently, in standard deviations.

    Args:
        window: of the path.
        motions: its motions, with the gyroscope's bias subtracted.
    """
    by_camera = window.rotations[:-1].swapaxes(1, 2) @ window.rotations[1:]
    errors = logarithm(motions.rotation.swapaxes(1, 2) @ by_camera)
    variance = window.rotation_sigma[:-1] ** 2 + window.rotation_sigma[1:] ** 2
    variance = variance + np.trace(motions.covariance[:, :3, :3], axis1=1, axis2=2) / 3
    return float(np.mean(errors**2 / variance[:, None]))


def align_linearly(window: AlignmentWindow, intervals: Preintegrated) -> LinearAlignment:
    """Return scale, gravity and velocities by linear least squares.

    Args:
        window: of the path.
        intervals: its motions, with the biases known so far subtracted.

    Raises:
        NotAligned: the result is not one of a camera that moves.
    """
    system = _System(window, intervals)
    solution = system.solve(np.eye(3), np.zeros(3))
    gravity = solution[-4:-1]
    for _ in range(TUNING.gravity_rounds):
        length = float(np.linalg.norm(gravity))
        if length < GRAVITY_LENGTH / 10:
            raise NotAligned('not enough acceleration')
        gravity = gravity * (GRAVITY_LENGTH / length)
        tangent = np.linalg.svd(gravity[None])[2][1:].T  # (3, 2)
        solution = system.solve(tangent, gravity)
        gravity = gravity + tangent @ solution[-3:-1]
    if not solution[-1] > 0:
        raise NegativeScale('not enough acceleration')
    gravity = gravity * (GRAVITY_LENGTH / np.linalg.norm(gravity))
    velocities = solution[: 3 * len(window)].reshape(-1, 3)
    return LinearAlignment(float(solution[-1]), gravity, velocities)


class _System:
    """The equations of all intervals in the velocities, gravity and scale.

    With s the scale, c the camera's positions, R the IMU's rotations, o the camera in the IMU:
    s (c_j - c_i) - v_i t - g t^2 / 2 = R_i position + (R_j - R_i) o
    v_j - v_i - g t = R_i velocity
    """

    def __init__(self, window: AlignmentWindow, intervals: Preintegrated) -> None:
        count = len(window)
        first = np.arange(count - 1)
        seconds = intervals.seconds[:, None, None]
        rotations = window.rotations
        self._by_velocity = np.zeros((count - 1, 6, count, 3))
        self._by_velocity[first, :3, first] = -seconds * np.eye(3)
        self._by_velocity[first, 3:, first] = -np.eye(3)
        self._by_velocity[first, 3:, first + 1] = np.eye(3)
        self._by_gravity = np.concatenate(
            [-(seconds**2) / 2 * np.eye(3), -seconds * np.eye(3)], axis=1
        )
        self._by_scale = np.zeros((count - 1, 6))
        self._by_scale[:, :3] = np.diff(window.positions, axis=0)
        lever = rotations @ window.camera_in_imu
        self._right = np.empty((count - 1, 6))
        self._right[:, :3] = (rotations[:-1] @ intervals.position[..., None])[..., 0]
        self._right[:, :3] += np.diff(lever, axis=0)
        self._right[:, 3:] = (rotations[:-1] @ intervals.velocity[..., None])[..., 0]
        # Both kinds of equations in metres.
        self._weights = np.concatenate(
            [np.ones((count - 1, 3)), np.repeat(seconds[:, 0], 3, axis=1)], axis=1
        )

    def solve(self, basis: np.ndarray, gravity: np.ndarray) -> np.ndarray:
        """Return velocities, coordinates of gravity and scale, one after the other.

        Args:
            basis: (3, D), of the gravity's unknown part.
            gravity: (3,), its known part.
        """
        intervals = len(self._right)
        columns = [
            self._by_velocity.reshape(intervals * 6, -1),
            (self._by_gravity @ basis).reshape(intervals * 6, -1),
            self._by_scale.reshape(-1, 1),
        ]
        right = self._right - self._by_gravity @ gravity
        weights = self._weights.reshape(-1, 1)
        matrix = np.hstack(columns) * weights
        return np.linalg.lstsq(matrix, right.ravel() * weights[:, 0], rcond=None)[0]
