# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""From the pose of a picture to now, by the measurements of an IMU since then."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.inertial import ImuSamples, interpolated
from loftr_vo.geometry.rigid_motion import transform
from loftr_vo.odometry.inertial.tuning import CHECK_TUNING as TUNING
from loftr_vo.odometry.tracking.camera_step import CameraStep


@dataclass(frozen=True, eq=False)
class MovingPose:
    """A pose and the velocity there.

    Attributes:
        stamp: nanoseconds.
        pose: (4, 4), world from camera.
        velocity: (3,) of the camera in the world, units a second.
        covariance: (6, 6) of position and rotation (left perturbation), in the world's axes.
        velocity_covariance: (3, 3).
        angular_velocity: (3,) of the camera in its own axes, rad/s.
    """

    stamp: int
    pose: np.ndarray
    velocity: np.ndarray
    covariance: np.ndarray
    velocity_covariance: np.ndarray
    angular_velocity: np.ndarray = field(default_factory=lambda: np.zeros(3))

    @property
    def step(self) -> CameraStep:
        """The motion in the last moment, from which a velocity is made."""
        motion = np.eye(4)
        motion[:3, :3] = Rotation.from_rotvec(self.angular_velocity * TUNING.moment).as_matrix()
        axes = self.pose[:3, :3]
        # The translation is in the axes of the pose before.
        motion[:3, 3] = motion[:3, :3] @ axes.T @ self.velocity * TUNING.moment
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = axes.T @ self.velocity_covariance @ axes
        covariance[3:, 3:] = TUNING.bias_error**2 * np.eye(3)
        return CameraStep(TUNING.moment, motion, covariance * TUNING.moment**2)


def propagate(
    start: MovingPose,
    samples: ImuSamples,
    camera_from_imu: np.ndarray,
    gyroscope_bias: np.ndarray,
    gravity: np.ndarray | None = None,
) -> MovingPose:
    """Return the pose at the last measurement.

    Each interval between two measurements has their mean. The IMU's distance from the camera is
    left out: over a tenth of a second it makes less than a millimetre.

    Args:
        start: where to begin.
        samples: from the start, or the one before it, on; the last is after the start.
        camera_from_imu: (3, 3), the rotation.
        gyroscope_bias: (3,) rad/s, in the IMU's axes.
        gravity: (3,) m/s^2 in the world, down, if its unit is a metre; None if gravity or the unit
            is not known: then the velocity stays.
    """
    times, turns, forces = _from(start.stamp, samples)
    seconds = np.diff(times)
    steps = (turns[1:] + turns[:-1]) / 2 - gyroscope_bias
    pushes = (forces[1:] + forces[:-1]) / 2
    rotations = Rotation.from_rotvec((steps @ camera_from_imu.T) * seconds[:, None]).as_matrix()
    rotation, velocity = start.pose[:3, :3], start.velocity
    position = start.pose[:3, 3]
    for step, turned, push in zip(seconds, rotations, pushes @ camera_from_imu.T, strict=True):
        after = rotation @ turned
        acceleration = np.zeros(3)
        if gravity is not None:
            acceleration = (rotation + after) / 2 @ push + gravity
        position = position + velocity * step + acceleration * step**2 / 2
        velocity = velocity + acceleration * step
        rotation = after
    return MovingPose(
        int(samples.stamps[-1]),
        transform(rotation, position),
        velocity,
        *_covariances(start, float(times[-1]), gravity is not None),
        camera_from_imu @ (turns[-1] - gyroscope_bias),
    )


def _from(start: int, samples: ImuSamples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return seconds since the start, turn rates and forces, at the start and after it."""
    after = samples.stamps > start
    known = (samples.stamps - start) * 1e-9
    times = np.concatenate([[0.0], known[after]])
    turns, forces = (
        interpolated(times, known, values)
        for values in (samples.angular_velocity, samples.specific_force)
    )
    return times, turns, forces


def _covariances(
    start: MovingPose, seconds: float, has_gravity: bool
) -> tuple[np.ndarray, np.ndarray]:
    sigma = TUNING.acceleration_error if has_gravity else TUNING.unknown_acceleration
    added = np.zeros((6, 6))
    added[:3, :3] = start.velocity_covariance * seconds**2 + (
        sigma * seconds**2 / 2
    ) ** 2 * np.eye(3)
    added[3:, 3:] = (TUNING.bias_error * seconds) ** 2 * np.eye(3)
    velocity = start.velocity_covariance + (sigma * seconds) ** 2 * np.eye(3)
    return start.covariance + added, velocity
