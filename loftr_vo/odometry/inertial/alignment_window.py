# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A window for the alignment, from the camera's path and the measurements of the IMU."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.odometry.inertial.camera_path import PathPose
from loftr_vo.odometry.inertial.preintegration import ImuSteps, preintegrate
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.vibration import with_vibration
from loftr_vo.odometry.inertial.window import AlignmentWindow
from loftr_vo.odometry.scale.cell_depth import NotYet


def window_of(
    poses: Sequence[PathPose],
    samples: SampleBuffer,
    imu_from_camera: np.ndarray,
    noise: ImuNoise,
    *,
    first_is_known: bool = False,
) -> AlignmentWindow:
    """Return the window of some poses; its origin is the camera at the first one.

    Args:
        poses: one after the other; of many, some are left out, evenly.
        samples: of the IMU.
        imu_from_camera: (4, 4), maps points of the camera to the IMU.
        noise: of the IMU.
        first_is_known: whether the first pose is no measurement, since the prior has it.

    Raises:
        NoReading: measurements of the IMU are missing.
    """
    if len(poses) < 2:
        raise NotYet('too few frames')
    stride = -(-len(poses) // TUNING.max_window_poses)
    poses = list(poses[::-1][::stride][::-1])
    steps = ImuSteps.stacked(
        [samples.steps(before.stamp, after.stamp) for before, after in itertools.pairwise(poses)]
    )
    shaken = with_vibration(noise, steps)
    by_camera = np.stack([each.pose for each in poses])
    position_sigma = np.array([each.position_sigma for each in poses])
    rotation_sigma = np.array([each.rotation_sigma for each in poses])
    if first_is_known:
        position_sigma[0] = rotation_sigma[0] = np.inf
    return AlignmentWindow(
        by_camera[:, :3, :3] @ imu_from_camera[:3, :3].T,
        by_camera[:, :3, 3] - by_camera[0, :3, 3],
        position_sigma,
        rotation_sigma,
        imu_from_camera[:3, 3],
        lambda bias: preintegrate(steps, bias, shaken),
        lambda bias: preintegrate(steps.with_negated_forces(), bias, shaken),
    )
