# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How the camera turns, by the gyroscope alone."""

from __future__ import annotations

import math

import numpy as np

from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.geometry.so3 import exponential
from loftr_vo.odometry.inertial.inertial_state import GYROSCOPE, InertialState
from loftr_vo.odometry.inertial.preintegration import prefix_products
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.scale.cell_depth import NoReading


def camera_turn(
    known: InertialState,
    samples: SampleBuffer,
    noise: ImuNoise,
    imu_from_camera: np.ndarray,
    start: int,
    end: int,
) -> tuple[np.ndarray, float] | None:
    """Return how the camera turned between two times, and the standard deviation about each axis.

    Args:
        known: with the gyroscope's bias; a covariance of zero is that of nothing known.
        samples: of the IMU.
        noise: of the IMU.
        imu_from_camera: (4, 4), maps points of the camera to the IMU.
        start, end: nanoseconds; the second is later.

    Returns:
        (3, 3), its axes at the start from those at the end; and radians. None where the bias is
        not known, or measurements are missing.
    """
    bias_sigma = float(np.sqrt(np.diag(known.covariance)[GYROSCOPE]).max())
    if end <= start or not 0 < bias_sigma < TUNING.turn_bias_sigma:
        return None
    try:
        steps = samples.steps(start, end)
    except NoReading:
        return None
    turns = (steps.angular_velocity - known.bias.gyroscope) * steps.seconds[:, None]
    imu = prefix_products(exponential(turns))[-1]
    axes = imu_from_camera[:3, :3]
    seconds = (end - start) * 1e-9
    white = TUNING.window_gyroscope_noise * noise.gyroscope * math.sqrt(seconds)
    return axes.T @ imu @ axes, math.hypot(white, bias_sigma * seconds)
