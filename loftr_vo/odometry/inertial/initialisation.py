# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The first alignment of camera and IMU, from nothing; or why there is none yet."""

from __future__ import annotations

import numpy as np

from loftr_vo.odometry.inertial.inertial_state import (
    ACCELEROMETER,
    GYROSCOPE,
    SIZE,
    InertialState,
)
from loftr_vo.odometry.inertial.linear_alignment import (
    NegativeScale,
    NotAligned,
    align_linearly,
    gyroscope_bias,
    rotation_misfit,
)
from loftr_vo.odometry.inertial.preintegration import Bias
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.window import AlignmentWindow
from loftr_vo.odometry.inertial.window_refinement import Alignment, Prior, Refined, refine
from loftr_vo.odometry.scale.cell_depth import Contradiction, NotYet


class Backwards(NotYet):
    """The accelerations are rather the opposite of the camera's."""


class OtherTurns(Contradiction):
    """The IMU turns otherwise than the camera."""


def initialise(window: AlignmentWindow, prior: Prior) -> Refined:
    """Return the alignment of a window of which nothing is known but biases.

    Args:
        window: of the path.
        prior: of the biases, see ``prior_of_biases``.

    Raises:
        NotYet: the motion does not determine the scale yet; ``Backwards`` where it is negative.
        Contradiction: camera and IMU contradict each other; ``OtherTurns`` in their turns.
    """
    motions = window.preintegrate(prior.state.bias)
    seconds = float(motions.seconds.sum())
    if len(window) < TUNING.min_poses or seconds < TUNING.min_seconds:
        raise NotYet(f'too few frames: {len(window)} in {seconds:.1f} s')
    if is_at_rest(window):
        raise NotYet('at rest')
    bias = Bias(gyroscope_bias(window, prior.state.bias), prior.state.bias.accelerometer)
    motions = window.preintegrate(bias)
    if rotation_misfit(window, motions) > TUNING.max_misfit:
        raise OtherTurns('the IMU turns otherwise than the camera')
    try:
        linear = align_linearly(window, motions)
        start = Alignment(
            window.rotations,
            linear.velocities,
            linear.scale * window.positions - window.rotations @ window.camera_in_imu,
            bias,
            linear.scale,
            linear.gravity,
        )
        refined = refine(window, start, prior)
    except NegativeScale:
        raise Backwards('not enough acceleration') from None
    except (NotAligned, np.linalg.LinAlgError):
        raise NotYet('not enough acceleration') from None
    if refined.misfit > TUNING.max_misfit:
        raise Contradiction(f'the IMU contradicts the pictures: {refined.misfit**0.5:.1f} sigmas')
    if not refined.last.scale_sigma < TUNING.first_sigma:
        sigma = refined.last.scale_sigma
        raise NotYet(f'not enough acceleration: the scale is known to {sigma:.0%}')
    return refined


def is_at_rest(window: AlignmentWindow) -> bool:
    """Whether the camera has not moved, as far as can be seen."""
    extent = np.linalg.norm(window.positions - window.positions.mean(axis=0), axis=1).max()
    return bool(extent < TUNING.rest_sigmas * np.median(window.position_sigma))


def prior_of_biases(known: InertialState | None = None) -> Prior:
    """Return the prior of an IMU of which nothing is known, or only the biases of a state."""
    information = np.zeros((SIZE, SIZE))
    if known is not None:
        both = slice(GYROSCOPE.start, ACCELEROMETER.stop)
        information[both, both] = np.linalg.inv(known.covariance[both, both])
        return Prior(known, information)
    information[GYROSCOPE, GYROSCOPE] = np.eye(3) / TUNING.gyroscope_bias_sigma**2
    information[ACCELEROMETER, ACCELEROMETER] = np.eye(3) / TUNING.accelerometer_bias_sigma**2
    state = InertialState(
        np.eye(3),
        np.zeros(3),
        np.zeros(3),
        Bias.zero(),
        1.0,
        np.array([0.0, 0.0, -9.81]),
        np.eye(3)[:, :2],
        np.zeros((SIZE, SIZE)),
    )
    return Prior(state, information)
