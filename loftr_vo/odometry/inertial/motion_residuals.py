# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Residuals of preintegrated motions between the states of an IMU, and their derivatives.

Forster et al. 2017 (see ``preintegration``), section VII-A and appendix C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.so3 import exponential, inverse_right_jacobian, logarithm, skew_matrices
from loftr_vo.odometry.inertial.preintegration import Bias, Preintegrated


@dataclass(frozen=True, eq=False)
class MotionResiduals:
    """K - 1 motions between K states, each of rotation (right perturbation), velocity, position.

    Attributes:
        values: (K - 1, 9): rotation, velocity and position, not whitened.
        before, after: (K - 1, 9, 9), derivatives by both states.
        by_bias: (K - 1, 9, 6), by the biases of gyroscope and accelerometer.
        by_gravity: (K - 1, 9, 2), by gravity's direction along ``tangent``.
    """

    values: np.ndarray
    before: np.ndarray
    after: np.ndarray
    by_bias: np.ndarray
    by_gravity: np.ndarray


def motion_residuals(
    motions: Preintegrated,
    rotations: np.ndarray,
    velocities: np.ndarray,
    positions: np.ndarray,
    bias: Bias,
    gravity: np.ndarray,
    tangent: np.ndarray,
) -> MotionResiduals:
    """Return what the states differ by from the measured motions.

    Args:
        motions: K - 1 of them.
        rotations: (K, 3, 3), world from IMU.
        velocities: (K, 3) in the world, in m/s.
        positions: (K, 3) in the world, in metres.
        bias: one, or one for each motion.
        gravity: (3,) in the world, in m/s^2, down.
        tangent: (3, 2), unit vectors across gravity.
    """
    seconds = motions.seconds[:, None]
    rotation, velocity, position = motions.corrected(bias)
    first_t = rotations[:-1].swapaxes(1, 2)
    later = first_t @ rotations[1:]
    gained = np.diff(velocities, axis=0) - gravity * seconds
    gained = (first_t @ gained[..., None])[..., 0]
    moved = np.diff(positions, axis=0) - velocities[:-1] * seconds - gravity * seconds**2 / 2
    moved = (first_t @ moved[..., None])[..., 0]
    turn = logarithm(rotation.swapaxes(1, 2) @ later)
    count = len(turn)
    before, after = np.zeros((count, 9, 9)), np.zeros((count, 9, 9))
    inverse = inverse_right_jacobian(turn)
    before[:, :3, :3] = -inverse @ later.swapaxes(1, 2)
    after[:, :3, :3] = inverse
    before[:, 3:6, :3], before[:, 6:, :3] = skew_matrices(gained), skew_matrices(moved)
    before[:, 3:6, 3:6], after[:, 3:6, 3:6] = -first_t, first_t
    before[:, 6:, 3:6] = -first_t * seconds[..., None]
    before[:, 6:, 6:], after[:, 6:, 6:] = -first_t, first_t
    by_bias = -np.concatenate([motions.by_gyroscope, motions.by_accelerometer], axis=2)
    by_bias[:, :3, :3] = -inverse @ exponential(-turn) @ motions.by_gyroscope[:, :3]
    by_gravity = np.zeros((count, 9, 2))
    across = float(np.linalg.norm(gravity)) * first_t @ tangent
    by_gravity[:, 3:6] = -across * seconds[..., None]
    by_gravity[:, 6:] = -across * seconds[..., None] ** 2 / 2
    values = np.concatenate([turn, gained - velocity, moved - position], axis=1)
    return MotionResiduals(values, before, after, by_bias, by_gravity)
