# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A window after a known state: how the map drifts until its end, and its refinement."""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.odometry.inertial.inertial_state import (
    ACCELEROMETER,
    GYROSCOPE,
    POSITION,
    SCALE,
    SIZE,
    InertialState,
)
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.window import AlignmentWindow
from loftr_vo.odometry.inertial.window_refinement import Alignment, Prior, Refined, refine
from loftr_vo.odometry.scale.tuning import TUNING as SCALE_TUNING


def aged(state: InertialState, seconds: float, noise: ImuNoise) -> InertialState:
    """Return a state with what the biases change in some seconds."""
    gained = np.zeros(SIZE)
    gained[GYROSCOPE] = noise.gyroscope_walk**2 * seconds
    gained[ACCELEROMETER] = noise.accelerometer_walk**2 * seconds
    return state.spread(gained)


def drifted(state: InertialState, depth: float) -> InertialState:
    """Return a state with what the map drifts from one keyframe to the next.

    Args:
        state: in the map.
        depth: median of the scene, in metres.
    """
    gained = np.zeros(SIZE)
    gained[POSITION] = (TUNING.position_drift * depth) ** 2
    gained[SCALE] = SCALE_TUNING.drift**2
    return state.in_turned_map(TUNING.rotation_drift).spread(gained)


def refine_after(state: InertialState, window: AlignmentWindow) -> Refined:
    """Return the most likely alignment of a window.

    Args:
        state: expected at its first pose, with its covariance.
        window: of the path.

    Raises:
        LinAlgError: the covariance is none.
    """
    prior = Prior(state, inverse_covariance(state.covariance))
    return refine(window, _predicted(state, window), prior)


def inverse_covariance(covariance: np.ndarray) -> np.ndarray:
    """(N, N) inverse, symmetric to the last digit, of a covariance in very different units."""
    sigma = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(covariance / np.outer(sigma, sigma)) / np.outer(sigma, sigma)
    symmetric: np.ndarray = (inverse + inverse.T) / 2
    return symmetric


def _predicted(state: InertialState, window: AlignmentWindow) -> Alignment:
    """Return the motion that follows from a first state by the IMU alone."""
    motions = window.preintegrate(state.bias)
    rotations, velocities, positions = [state.rotation], [state.velocity], [state.position]
    for index, seconds in enumerate(motions.seconds):
        rotation, velocity = rotations[-1], velocities[-1]
        positions.append(
            positions[-1]
            + velocity * seconds
            + state.gravity * seconds**2 / 2
            + rotation @ motions.position[index]
        )
        velocities.append(velocity + state.gravity * seconds + rotation @ motions.velocity[index])
        rotations.append(rotation @ motions.rotation[index])
    return Alignment(
        np.stack(rotations),
        np.stack(velocities),
        np.stack(positions),
        state.bias,
        state.scale,
        state.gravity,
    )
