# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tuned constants of rolling shutters, each with the figure that it was chosen by.

They are no settings: after a change the tables of docs/accuracy.md ("Rolling shutter") are
measured again. The whole was measured on freiburg1_rpy of TUM RGB-D: ATE 1.6 % of the path, and
6.6 without.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RollingShutterTuning:
    """Constants of the readout rotation and the readout time."""

    # Rounds of the projection row by row: the row of a point depends on its readout time. Each
    # round leaves a tenth of the error or less.
    projection_rounds: int = 2

    # pose_and_readout

    # Iterations at most, and the length of the last step in standard deviations. Chosen by hand;
    # no figure kept.
    iterations: int = 10
    last_step_sigmas: float = 0.3

    # readout_time

    # Cells of known depth that a readout rotation is measured from. Chosen by hand; no figure
    # kept.
    min_cells: int = 100
    # Radians a second from which on the readout time is measured. Chosen by hand; no figure kept.
    min_angular_velocity: float = 0.2
    # Radians of readout rotation from which on it is corrected: a quarter of a pixel.
    min_rotation_to_correct: float = 0.001
    # Radians by which a keyframe's readout rotation must change to be applied: a fiftieth of a
    # pixel.
    min_rotation_change: float = 1e-4
    # Seconds between pictures beyond which their poses give no angular velocity. Chosen by hand;
    # no figure kept.
    max_frame_interval: float = 0.15
    # Seconds of which the gyroscope's mean is taken as long as the readout time is not known: that
    # of most cameras.
    rate_seconds: float = 0.02
    # Prior of the readout rotation around the predicted one: a share of it, and radians. Chosen by
    # hand; no figure kept.
    relative_sigma: float = 0.5
    sigma_at_rest: float = 0.006
    # Radians from the predicted rotation beyond which a solution is rejected. Chosen by hand; no
    # figure kept.
    max_deviation: float = 0.1
    # Radians, standard deviation between a measured rotation and readout time times angular
    # velocity, which is a mean over two frames. Measured on freiburg1_rpy, a Kinect in the hand.
    measurement_sigma: float = 0.004
    # The readout time is known after so many measurements, if it is so many standard deviations
    # and seconds away from zero. Chosen by hand; no figure kept.
    min_measurements: int = 10
    min_significance: float = 5.0
    min_readout_time: float = 0.003
    # Seconds, standard deviation below which a time that is not is that of a global shutter.
    # Chosen by hand; no figure kept.
    global_shutter_sigma: float = 0.001
    # Angular velocities that are kept: more than the frames that a keyframe lasts.
    max_velocities: int = 200


TUNING = RollingShutterTuning()
