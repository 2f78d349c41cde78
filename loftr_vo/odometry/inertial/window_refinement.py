# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The most likely scale, gravity, biases and motion, given the poses by the camera.

As the inertial-only estimation of Campos, Montiel, Tardos (Inertial-Only Optimization for
Visual-Inertial Initialization, 2020), with one difference: the camera's poses have errors here,
since between frames these are far larger than those of the IMU. Gravity has its length, and moves
on its sphere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.so3 import exponential, inverse_right_jacobian, logarithm, skew_matrices
from loftr_vo.odometry.inertial.bordered_system import BorderedSystem
from loftr_vo.odometry.inertial.inertial_state import (
    ACCELEROMETER,
    GRAVITY,
    GYROSCOPE,
    POSITION,
    ROTATION,
    SCALE,
    SIZE,
    VELOCITY,
    InertialState,
)
from loftr_vo.odometry.inertial.motion_residuals import motion_residuals
from loftr_vo.odometry.inertial.preintegration import Bias, Preintegrated
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.window import AlignmentWindow

# Common unknowns: biases of gyroscope and accelerometer, logarithm of the scale, gravity's two.
_COMMON = SIZE - 9
_SCALE = SCALE - 9


@dataclass(frozen=True, eq=False)
class Alignment:
    """The motion of the IMU along a window, and what is common to all of it.

    Attributes:
        rotations: (K, 3, 3), world from IMU.
        velocities: (K, 3) of the IMU in the world, in m/s.
        positions: (K, 3) of the IMU in the world, in metres.
        bias: of the IMU.
        scale: metres in a unit.
        gravity: (3,) in the world, in m/s^2, down.
    """

    rotations: np.ndarray
    velocities: np.ndarray
    positions: np.ndarray
    bias: Bias
    scale: float
    gravity: np.ndarray


@dataclass(frozen=True, eq=False)
class Refined:
    """The most likely alignment.

    Attributes:
        alignment: it.
        last: the state at the last pose.
        misfit: mean square of the residuals in standard deviations, over the degrees of freedom.
    """

    alignment: Alignment
    last: InertialState
    misfit: float


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known before a window.

    Attributes:
        state: expected at the first pose; its covariance is not used.
        information: (18, 18), inverse of its covariance; zero for what is not known.
    """

    state: InertialState
    information: np.ndarray


def refine(window: AlignmentWindow, start: Alignment, prior: Prior) -> Refined:
    """Return the most likely alignment, by Gauss and Newton's method.

    Args:
        window: of the path.
        start: to begin with.
        prior: of the first state.

    Raises:
        LinAlgError: the motion does not determine it.
    """
    current, tangent = start, prior.state.tangent
    motions = window.preintegrate(current.bias)
    whitening = np.linalg.inv(np.linalg.cholesky(motions.covariance))
    for _ in range(TUNING.max_rounds):
        tangent = across(current.gravity, tangent)
        system = BorderedSystem(len(window), 9, _COMMON)
        cost = _add_motions(system, motions, whitening, current, tangent)
        cost += _add_poses(system, window, current)
        cost += _add_prior(system, current, tangent, prior)
        states, common, covariance = system.solve()
        step = float(common[_SCALE])
        current = _moved(
            current, states, common, tangent, min(1.0, TUNING.largest_step / max(abs(step), 1e-12))
        )
        if abs(step) < TUNING.converged_step:
            break
    measured = 9 * (len(window) - 1) + 6 * int(np.isfinite(window.position_sigma).sum())
    known = np.linalg.matrix_rank(prior.information)
    degrees = measured + known - 9 * len(window) - _COMMON
    last = InertialState(
        current.rotations[-1],
        current.velocities[-1],
        current.positions[-1],
        current.bias,
        current.scale,
        current.gravity,
        tangent,
        covariance,
    )
    return Refined(current, last, cost / max(degrees, 1))


def across(gravity: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """(3, 2) unit vectors across gravity, as near to others as can be."""
    direction = gravity / np.linalg.norm(gravity)
    first = tangent[:, 0] - direction * (direction @ tangent[:, 0])
    first = first / np.linalg.norm(first)
    second = np.cross(direction, first)
    return np.column_stack([first, second if second @ tangent[:, 1] > 0 else -second])


def _moved(
    current: Alignment, states: np.ndarray, common: np.ndarray, tangent: np.ndarray, share: float
) -> Alignment:
    states, common = share * states, share * common
    length = np.linalg.norm(current.gravity)
    gravity = current.gravity + length * (tangent @ common[7:])
    return Alignment(
        current.rotations @ exponential(states[:, :3]),
        current.velocities + states[:, 3:6],
        current.positions + states[:, 6:],
        Bias(current.bias.gyroscope + common[:3], current.bias.accelerometer + common[3:6]),
        current.scale * float(np.exp(common[_SCALE])),
        gravity * (length / np.linalg.norm(gravity)),
    )


def _add_motions(
    system: BorderedSystem,
    motions: Preintegrated,
    white: np.ndarray,
    current: Alignment,
    tangent: np.ndarray,
) -> float:
    """Add the IMU's motions."""
    found = motion_residuals(
        motions,
        current.rotations,
        current.velocities,
        current.positions,
        current.bias,
        current.gravity,
        tangent,
    )
    scale = np.zeros((len(found.values), 9, 1))  # the motions of the IMU are in metres
    common = np.concatenate([found.by_bias, scale, found.by_gravity], axis=2)
    residuals = (white @ found.values[..., None])[..., 0]
    system.add_links(white @ found.before, white @ found.after, white @ common, residuals)
    return float(np.sum(residuals**2))


def _add_poses(system: BorderedSystem, window: AlignmentWindow, current: Alignment) -> float:
    """Add the camera's poses. Their positions are measured in units, and so are the residuals."""
    count = len(window)
    arm = current.rotations @ window.camera_in_imu
    camera = (current.positions + arm) / current.scale
    turn = logarithm(window.rotations.swapaxes(1, 2) @ current.rotations)
    residuals = np.concatenate(
        [
            turn / window.rotation_sigma[:, None],
            (camera - window.positions) / window.position_sigma[:, None],
        ],
        axis=1,
    )
    state, common = np.zeros((count, 6, 9)), np.zeros((count, 6, _COMMON))
    state[:, :3, :3] = inverse_right_jacobian(turn) / window.rotation_sigma[:, None, None]
    by_metre = (1 / (current.scale * window.position_sigma))[:, None, None]
    state[:, 3:, :3] = -current.rotations @ skew_matrices(window.camera_in_imu) * by_metre
    state[:, 3:, 6:] = np.eye(3) * by_metre
    common[:, 3:, _SCALE] = -camera / window.position_sigma[:, None]
    system.add_states(state, common, residuals)
    return float(np.sum(residuals**2))


def _add_prior(
    system: BorderedSystem, current: Alignment, tangent: np.ndarray, prior: Prior
) -> float:
    state = prior.state
    error = np.empty(SIZE)
    error[ROTATION] = logarithm(state.rotation.T @ current.rotations[0])
    error[VELOCITY] = current.velocities[0] - state.velocity
    error[POSITION] = current.positions[0] - state.position
    error[GYROSCOPE] = current.bias.gyroscope - state.bias.gyroscope
    error[ACCELEROMETER] = current.bias.accelerometer - state.bias.accelerometer
    error[SCALE] = np.log(current.scale / state.scale)
    difference = current.gravity / np.linalg.norm(current.gravity)
    difference = difference - state.gravity / np.linalg.norm(state.gravity)
    error[GRAVITY] = tangent.T @ difference
    system.add_prior(prior.information, error)
    return float(error @ prior.information @ error)
