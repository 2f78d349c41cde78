# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tuned constants of the IMU, each with the figure that it was chosen by.

They are no settings: after a change the figures of docs/imu.md are measured again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InertialTuning:
    """Constants of the inertial estimation."""

    # sample_buffer

    # Seconds of measurements that are kept: as far as the local map's keyframes reach back.
    buffer_seconds: float = 30.0
    # Seconds between two measurements beyond which their motion is not interpolated: at 100 Hz
    # four are missing. Chosen by hand; no figure kept.
    max_gap: float = 0.05
    # Seconds beyond the last measurement for which it is held: one period at 100 Hz.
    max_extrapolation: float = 0.011

    # Seconds by which measurements may be late: the poses since then wait for them.
    max_lateness: float = 0.2

    # vibration

    # Share of the noise by vibration that is left after integration, since vibration is no white
    # noise: on euroc_mh05_b, whose drone shakes, the scale's normalised errors are then about one.
    vibration_share: float = 0.5

    # camera_path

    # Poses that are kept: more than an initialisation looks at, at 30 Hz.
    max_poses: int = 600
    # Least standard deviation of a pose's position, as a share of the median depth, and of its
    # rotation in radians: those of the residuals on euroc_mh05_b.
    position_sigma: float = 0.0005
    rotation_sigma: float = 0.0005

    # linear_alignment

    # Rounds in which gravity is moved on its sphere; they converge as those of Newton.
    gravity_rounds: int = 4

    # window_refinement: rounds at most, the change of the scale's logarithm that ends them, and
    # the largest one in a round.
    max_rounds: int = 12
    converged_step: float = 1e-4
    largest_step: float = 0.7

    # clock_offset

    # Seconds that are looked for, in so many steps, and rounds of the refinement.
    max_clock_offset: float = 0.06
    clock_offset_steps: int = 49
    clock_offset_rounds: int = 4
    # Standard deviation in seconds up to which an offset counts, and the least offset that is
    # corrected: a millisecond, at one radian a second, is half a pixel.
    max_clock_sigma: float = 0.003
    least_clock_offset: float = 0.001

    # initialisation, inertial_estimator

    # Seconds and poses that an initialisation needs at least, and seconds that it looks back.
    min_seconds: float = 1.0
    min_poses: int = 10
    max_seconds: float = 12.0
    # Poses of an initialisation at most; with more, some are left out. The time goes with them.
    max_window_poses: int = 80
    # Relative standard deviation of the scale at which it is accepted, and the one at which it is
    # after ``max_seconds``.
    first_sigma: float = 0.04
    # Standard deviations of the biases before anything is measured: one degree per second is the
    # offset of a BMI088's gyroscope, but others have many more (euroc_mh05_b: 4.4); 20 mg is the
    # offset of its accelerometer (Bosch BMI088 data sheet).
    gyroscope_bias_sigma: float = 0.1
    accelerometer_bias_sigma: float = 0.2
    # Seconds of a later window at least, and those after which one ends without a keyframe.
    step_seconds: float = 0.15
    longest_step_seconds: float = 2.0
    # By how much the map drifts from one window to the next: position as a share of the median
    # depth, rotation in radians. The scale's drift is that of the scale filter.
    position_drift: float = 0.001
    rotation_drift: float = 0.001
    # Mean squared residual beyond which IMU and camera contradict each other, and consecutive
    # windows after which the estimation begins anew.
    max_misfit: float = 6.0
    max_contradictions: int = 5
    # Standard deviation of the gyroscope's bias, in rad/s, below which its turns are those of the
    # camera: a tenth of a pixel from frame to frame at 30 Hz.
    turn_bias_sigma: float = 0.005
    # Multiple of the poses' standard deviation within which a camera has not moved, and radians.
    rest_sigmas: float = 6.0


TUNING = InertialTuning()
