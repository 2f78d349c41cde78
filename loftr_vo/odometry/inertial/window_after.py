# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The refinement of a window after a known state."""

from __future__ import annotations

import numpy as np

from loftr_vo.odometry.inertial.inertial_state import InertialState
from loftr_vo.odometry.inertial.window import AlignmentWindow
from loftr_vo.odometry.inertial.window_refinement import Alignment, Prior, Refined, refine


def refine_after(state: InertialState, window: AlignmentWindow) -> Refined:
    """Return the most likely alignment of a window.

    Args:
        state: expected at its first pose, with its covariance.
        window: of the path.

    Raises:
        LinAlgError: the covariance is none.
    """
    prior = Prior(state, _inverse(state.covariance))
    return refine(window, _predicted(state, window), prior)


def _inverse(covariance: np.ndarray) -> np.ndarray:
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
