# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Vibration as noise: what an IMU measures beyond its own noise and the motion of the camera."""

from __future__ import annotations

import math

import numpy as np

from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.odometry.inertial.preintegration import ImuSteps
from loftr_vo.odometry.inertial.tuning import TUNING

# Variance of the third difference of the means of neighbouring measurements of variance one; its
# coefficients are 1/2, -1, 0, 1, -1/2.
_THIRD_DIFFERENCE = 2.5


def with_vibration(noise: ImuNoise, steps: ImuSteps) -> ImuNoise:
    """Return the noise with that of the vibration in the measurements.

    Propellers and engines shake an IMU faster than it is sampled, which looks like white noise.
    Third differences of neighbouring steps have hardly any of the camera's motion in them.

    Args:
        noise: of the IMU itself.
        steps: M intervals, (M, N).
    """
    gyroscope = _excess(steps.angular_velocity, steps.seconds, noise.gyroscope)
    accelerometer = _excess(steps.specific_force, steps.seconds, noise.accelerometer)
    return ImuNoise(gyroscope, accelerometer, noise.gyroscope_walk, noise.accelerometer_walk)


def _excess(values: np.ndarray, seconds: np.ndarray, density: float) -> float:
    # Steps that are cut at a frame's time, or only fill up, are left out.
    whole = seconds > 0.5 * np.median(seconds[seconds > 0])
    valid = whole[:, :-3] & whole[:, 1:-2] & whole[:, 2:-1] & whole[:, 3:]
    differences = np.diff(values, 3, axis=1)[valid]
    if not len(differences):
        return density
    variance = float(np.mean(differences**2)) / _THIRD_DIFFERENCE
    measured = variance * float(np.median(seconds[whole]))
    excess = max(0.0, measured - density**2)
    return math.sqrt(density**2 + TUNING.vibration_share**2 * excess)
