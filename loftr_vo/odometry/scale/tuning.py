# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tuned constants of metric scale, each with the figure that it was chosen by.

They are no settings: after a change the tables of docs/accuracy.md ("Metric scale") are measured
again. Standard deviations are relative unless a unit is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class ScaleTuning:
    """Constants of the scale filter and of the sources depth, stereo and odometry."""

    # scale_filter

    # Standard deviation by which the unit of length drifts from one keyframe to the next: 0.1 to
    # 0.5 % on rendered and real sequences.
    drift: float = 0.005
    # Standard deviations beyond which a reading is an outlier. Chosen by hand; no figure kept.
    gate_sigmas: float = 3.5

    # metric_scale

    # Standard deviation that all readings of a source share: calibration, the size of the wheels,
    # the height by a tape measure. Chosen by hand; no figure kept. Of an IMU: the sensitivity of
    # accelerometers is 0.8 % off (Bosch BMI088 data sheet), and one that was 3 % off on paths in
    # closed form made the scale 0 and 6 % wrong.
    common_sigma: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType(
            {
                'depth': 0.005,
                'stereo': 0.005,
                'odometry': 0.01,
                'camera_height': 0.015,
                'imu': 0.015,
            }
        )
    )
    # Standard deviation that a source adds to the scale each time it contradicts the odometry:
    # after four times in a row, lengths are no metres. Chosen by hand: with accelerometers that
    # are 10 % off (test/test_inertial_scale.py) the scale was 5 % off, its deviation 1 %.
    contradiction_sigma: float = 0.05
    # Standard deviation of the scale over a new start, which keeps the median depth. Chosen by
    # hand; no figure kept.
    new_start_sigma: float = 0.3
    # Standard deviation of a reading by the median depth alone, before any depth by motion. Chosen
    # by hand; no figure kept.
    first_reading_sigma: float = 0.01

    # cell_depth

    # Cells that make a reading. Chosen by hand; no figure kept.
    min_cells: int = 20
    # Neighbouring cells have common errors, so that N of them count as N over this. Chosen by
    # hand; no figure kept.
    correlated_cells: float = 9.0
    # Least standard deviation of a reading by cells. Chosen by hand; no figure kept.
    min_reading_sigma: float = 0.003
    # Standard deviations beyond which two depths of a cell contradict each other. Chosen by hand;
    # no figure kept.
    consistent_sigmas: float = 3.0
    # Standard deviation of a measured depth above which it is not used. Chosen by hand; no figure
    # kept.
    max_depth_sigma: float = 0.2

    # depth_image

    # Error by calibration, which a window does not average out. Chosen by hand; no figure kept.
    depth_calibration_sigma: float = 0.01
    # Pixels, side of the window of the depth image around a cell; the share of it that must have
    # depth; the spread of inverse depth beyond which an edge runs through it. Chosen by hand; no
    # figure kept.
    depth_window: int = 5
    min_filled_ratio: float = 0.5
    max_relative_spread: float = 0.08
    # Radians of rotation between picture and depth image from which on it is corrected: less is
    # below a pixel of the depth image.
    min_lag_rotation: float = 0.001

    # stereo

    # Error by the calibration of a pair. Chosen by hand; no figure kept.
    stereo_calibration_sigma: float = 0.005
    # Share of the matches that must be on their epipolar line. Chosen by hand; no figure kept.
    min_stereo_inlier_ratio: float = 0.3

    # wheel_odometry

    # Ratio of the length of a stretch of the path to the median depth: its length is then known to
    # a few percent.
    stretch_ratio: float = 0.03
    # Seconds after which a stretch is begun anew. Chosen by hand; no figure kept.
    max_stretch_seconds: float = 5.0
    # Metres by the other odometry below which it stood still. Chosen by hand; no figure kept.
    min_wheel_distance: float = 0.005
    # Radians, and share of the rotation, by which both may differ before one has slipped. Chosen
    # by hand; no figure kept.
    max_rotation_difference: float = 0.1
    max_rotation_difference_ratio: float = 0.3
    # Seconds between two poses of the other odometry beyond which it is not interpolated. Chosen
    # by hand; no figure kept.
    max_pose_gap: float = 0.5
    # Stretches of the first reading, which nothing checks, and of the others. Chosen by hand; no
    # figure kept.
    first_stretches: int = 8
    next_stretches: int = 5
    # Least standard deviation of a reading, and the largest at which the stretches agree. Chosen
    # by hand; no figure kept.
    min_wheel_sigma: float = 0.005
    max_wheel_sigma: float = 0.15
    # Poses, and stretches that wait for poses, kept at most. Chosen by hand.
    max_poses: int = 5000
    max_stretches: int = 50


@dataclass(frozen=True)
class GroundTuning:
    """Constants of the ground plane; all chosen by hand, no figure kept."""

    # Sine of the angle below the horizon from which on a cell may show the ground.
    min_depression: float = math.sin(math.radians(4.0))
    # Radians, largest angle of the normal from how the camera is mounted and its standard
    # deviation; then the same from the last plane. Tilt and height are nearly indistinguishable:
    # the smaller the tilt's freedom, the surer the height.
    max_tilt: float = math.radians(25.0)
    tilt_sigma: float = math.radians(10.0)
    max_tilt_change: float = math.radians(5.0)
    tilt_change_sigma: float = math.radians(1.0)
    # Radians, the same of the motion against the ground: slopes, and a mount that sways.
    max_slope: float = math.radians(6.0)
    slope_sigma: float = math.radians(1.5)
    # Weight of a new plane in the running normal.
    smoothing: float = 0.2
    # Cells below the horizon that are needed, and the share of them that must be ground.
    min_cells: int = 25
    min_ground_ratio: float = 0.25
    # Standard deviations within which a cell is on the plane.
    inlier_sigmas: float = 2.5
    # Least standard deviation of a cell's inverse depth: ground is uneven, and the depth of near
    # ground, blurred by fast motion, is the least exact.
    roughness: float = 0.06
    # Ratio of cells below the plane to cells on it, from which on it is a table or a pavement.
    max_below_ratio: float = 0.3
    # Planes tried by MSAC, and rounds of the refinement.
    trials: int = 200
    rounds: int = 5
    # Least factor of the cells' standard deviation in a round.
    min_sigma_factor: float = 0.6
    # Largest standard deviation of a height that is a reading, and the least that it is given:
    # ground is uneven, and suspensions give way.
    max_sigma: float = 0.1
    min_sigma: float = 0.04


TUNING = ScaleTuning()
GROUND = GroundTuning()
