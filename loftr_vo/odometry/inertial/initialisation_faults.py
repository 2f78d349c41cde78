# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Why camera and IMU cannot be aligned, where one change to the measurements would align them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from loftr_vo.imaging.specific_force_unit import NEGATED
from loftr_vo.odometry.inertial.camera_path import PathPose
from loftr_vo.odometry.inertial.clock_check import too_large
from loftr_vo.odometry.inertial.clock_offset import clock_offset
from loftr_vo.odometry.inertial.initialisation import initialise
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.window import AlignmentWindow
from loftr_vo.odometry.inertial.window_refinement import Prior
from loftr_vo.odometry.scale.cell_depth import Contradiction, NoReading


def raise_if_negated(window: AlignmentWindow, prior: Prior) -> None:
    """Raise a contradiction if the opposite specific forces align camera and IMU.

    Args:
        window, prior: as ``initialise`` has them.

    Raises:
        Contradiction: they do, as exactly as an alignment must be.
    """
    negated = replace(window, preintegrate=window.preintegrate_negated)
    try:
        initialise(negated, prior)
    except NoReading:
        return
    raise Contradiction(NEGATED)


def raise_if_clocks_differ(
    poses: Sequence[PathPose], samples: SampleBuffer, imu_from_camera: np.ndarray
) -> None:
    """Raise a contradiction if both turn alike at an offset of the clocks that is not corrected.

    Args:
        poses, samples, imu_from_camera: as ``clock_offset`` has them.

    Raises:
        Contradiction: they do.
    """
    if fault := too_large(
        clock_offset(poses, samples, imu_from_camera, TUNING.named_clock_offset)
    ):
        raise Contradiction(fault)
