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

    # keyframe_states

    # Noise of the gyroscope in the window of keyframes, as a multiple of its own. Vibration turns
    # the camera to and fro, which is measured, and whose sum does not grow; what is left is the
    # error of the IMU's place. On euroc_mh05_b the mean square of all residuals is 2.0 with its
    # own noise; with that of the vibration, which is 5.5 times as large, it is 0.7, and the error
    # of the rotation is 0.069 degrees a metre instead of 0.052.
    window_gyroscope_noise: float = 2.0
    # States that are kept: more than a window of keyframes has.
    kept_states: int = 100

    # linear_alignment

    # Rounds in which gravity is moved on its sphere; they converge as those of Newton.
    gravity_rounds: int = 4

    # window_refinement: rounds at most, the change of the scale's logarithm that ends them, and
    # the largest one in a round.
    max_rounds: int = 12
    converged_step: float = 1e-4
    largest_step: float = 0.7

    # clock_offset

    # Seconds that are looked for and corrected, seconds between two that are tried, and rounds of
    # the refinement.
    max_clock_offset: float = 0.06
    clock_offset_step: float = 0.0025
    clock_offset_rounds: int = 4
    # Standard deviation in seconds up to which an offset counts, and the least offset that is
    # corrected: a millisecond, at one radian a second, is half a pixel.
    max_clock_sigma: float = 0.003
    least_clock_offset: float = 0.001
    # Seconds that are looked for where both turn differently, to name the reason. Chosen by hand:
    # clocks that are further apart are not those of one machine.
    named_clock_offset: float = 0.5

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
    # Standard deviation, in rad/s, that the gyroscope's bias by the first window has beside its
    # own: errors of the camera's path last as long as that window. On a rendered room it was off
    # by 0.0022, where the window said 0.0004.
    first_gyroscope_sigma: float = 0.002
    # Standard deviation of the gyroscope's bias, in rad/s, below which its turns are those of the
    # camera: a tenth of a pixel from frame to frame at 30 Hz.
    turn_bias_sigma: float = 0.005
    # Standard deviation in radians of gravity's direction that more windows do not reduce, half a
    # degree: errors of the camera's path last longer than a window. The root mean square error was
    # 0.34 degrees on euroc_mh05_b and 0.45 on a rendered room, where the windows alone said 0.03
    # to 0.2 (docs/imu.md).
    common_gravity_sigma: float = 0.008
    # Multiple of the poses' standard deviation within which a camera has not moved, and radians.
    rest_sigmas: float = 6.0


TUNING = InertialTuning()


@dataclass(frozen=True)
class ImuCheckTuning:
    """Constants of the checks of an IMU against the camera, and of its propagation."""

    # imu_checks

    # Seconds over which specific forces are averaged: accelerations cancel in it.
    gravity_seconds: float = 4.0
    # Degrees between the IMU's up and that of a base on level ground, from which its axes are
    # doubted: no vehicle on wheels lies on its side, and an exchanged axis makes it 90 or 180.
    max_tilt: float = 60.0
    # Seconds over which the unit of specific forces is judged.
    unit_seconds: float = 1.0
    # Longest step that is compared, in seconds.
    longest_step: float = 1.0
    # Seconds of specific forces without a gap from which their mean, in axes that do not turn, is
    # compared with their mean length, and the share of it that it has at least: with gravity it is
    # nearly all, of accelerations alone little. Only a camera that falls ten metres has less.
    least_force_seconds: float = 2.0
    least_force_share: float = 0.5

    # stuck_gyroscope

    # Radians of the camera, three degrees, and seconds within which it makes them. Chosen by hand;
    # no figure kept.
    stuck_turn: float = 0.05
    stuck_seconds: float = 4.0

    # clock_check

    # Seconds of turns that are compared at other offsets, and seconds from one time to the next.
    clock_seconds: float = 4.0
    clock_period: float = 0.5

    # turn_comparison

    # Turn rate in rad/s from which a turn is compared: the bias of a cheap gyroscope, 0.05 rad/s
    # (3 deg/s), changes its direction by less than 20 degrees. With it, 40 turns and judgements
    # from 12 on, none of the 284 frames of euroc_mh05_b is doubted; in degrees, or with two axes
    # turned over, all are from the 12th or the 32nd on.
    least_rate: float = 0.15
    turns: int = 40
    fewest_turns: int = 12
    # The ratio of degrees to radians is 57.3. With the bias of euroc_mh05_b, 4.4 deg/s, the median
    # is between 46 and 93 on slow turns.
    degrees_from: float = 30.0
    degrees_to: float = 120.0
    # Within this factor of each other the lengths are of one quantity.
    ratio: float = 2.5
    # Mean cosine between both turns, weighed by their lengths: above the first they agree; below
    # the second they do not, whatever else. An offset of the clocks of 50 ms, on a camera that is
    # shaken at 2 Hz, leaves 0.8. In between they disagree if other axes make them agree.
    agrees: float = 0.85
    disagrees: float = 0.4
    agrees_turned: float = 0.95
    # Where the second singular value is below this share of the first, turns are about one axis.
    one_axis: float = 0.05

    # propagation

    # Standard deviations of what is left out. Without gravity, a camera's acceleration is unknown:
    # that of a hand or a drone, in m/s^2. With it, the accelerometer's bias and what it measures
    # beside the camera in turns. From true poses of euroc_mh05_b the position is off by 1.2 mm
    # after 0.1 s with gravity and by 3.8 mm without, the rotation by 0.001 degrees: within one
    # standard deviation.
    unknown_acceleration: float = 2.0
    acceleration_error: float = 0.3
    # Of the gyroscope's bias, as it is found by comparison with the camera, in rad/s.
    bias_error: float = 0.01
    # Seconds of the last moment, of which a velocity is made.
    moment: float = 1e-3


CHECK_TUNING = ImuCheckTuning()
