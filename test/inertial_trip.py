# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A camera with an IMU on a path in closed form; its poses have noise and a unit of their own."""

import math
from types import SimpleNamespace

import numpy as np
from inertial_path import GRAVITY, SmoothPath
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.inertial import ImuNoise, ImuSamples
from loftr_vo.odometry.inertial.inertial_estimator import InertialEstimator
from loftr_vo.odometry.inertial.preintegration import Bias
from loftr_vo.odometry.scale.cell_depth import Contradiction, NoReading
from loftr_vo.odometry.scale.scale_filter import ScaleFilter

NOISE = ImuNoise(1.6e-4, 2.8e-3, 2.2e-5, 8.6e-4)
IMU_FROM_CAMERA = np.eye(4)
IMU_FROM_CAMERA[:3, :3] = Rotation.from_euler('xyz', [0.3, -1.2, 0.4]).as_matrix()
IMU_FROM_CAMERA[:3, 3] = 0.06, -0.03, 0.1
UNIT = 4.0  # metres in a unit of the map, which is the median depth
FRAME = 0.05  # seconds
POSE_NOISE = 0.0005  # units and radians


class Trip:
    """A camera with an IMU on a smooth path, its odometry in units of its own.

    The map is turned against the world, whose z axis is up.
    """

    def __init__(self, seed, path=None, noise=NOISE, pose_noise=POSE_NOISE, seconds=30.0):
        self.path = path or SmoothPath(seed, distance=0.7, angle=0.35)
        self.source = np.random.default_rng([seed, 7])
        self.pose_noise = pose_noise
        self.bias = Bias(self.source.normal(0, 0.03, 3), self.source.normal(0, 0.1, 3))
        self.samples = self.path.samples(
            seconds,
            gyroscope=self.bias.gyroscope,
            accelerometer=self.bias.accelerometer,
            noise=(noise, self.source),
        )
        self.world_from_map = self.path.poses([0.0])[0] @ IMU_FROM_CAMERA
        self.estimator = InertialEstimator(NOISE, IMU_FROM_CAMERA)
        self.filter = ScaleFilter()
        self.unit = UNIT
        self.number = 0
        self.reasons = []

    def true_pose(self, seconds):
        pose = np.linalg.inv(self.world_from_map) @ self.path.poses([seconds])[0] @ IMU_FROM_CAMERA
        pose[:3, 3] /= self.unit
        return pose

    def seen_pose(self, seconds):
        pose = self.true_pose(seconds)
        depth = UNIT / self.unit
        pose[:3, 3] += self.source.normal(0, self.pose_noise * depth, 3)
        turn = Rotation.from_rotvec(self.source.normal(0, self.pose_noise, 3)).as_matrix()
        pose[:3, :3] = pose[:3, :3] @ turn
        return pose

    def keyframe(self, stamp, pose):
        self.number += 1
        return SimpleNamespace(
            number=self.number,
            frame=SimpleNamespace(stamp=stamp),
            pose=pose,
            reference_depth=UNIT / self.unit,
        )

    def go(self, end, start=0.0, every=5):
        """Track frames until ``end`` seconds; yield after each keyframe."""
        keyframe = None
        for index in range(round(start / FRAME), round(end / FRAME)):
            seconds = index * FRAME
            stamp = round(seconds * 1e9)
            self.estimator.add(self.samples_until(seconds))
            pose = self.seen_pose(seconds)
            if keyframe is None:
                keyframe = self.keyframe(stamp, pose)
                continue
            covariance = np.eye(6) * 1e-12
            self.estimator.follow(stamp, keyframe, pose, covariance)
            if index % every == 0:
                keyframe = self.keyframe(stamp, pose)
                self.measure(keyframe)
                yield seconds

    def samples_until(self, seconds):
        part = slice(max(0, round((seconds - FRAME) * 200) - 1), round(seconds * 200) + 2)
        return ImuSamples(
            self.samples.stamps[part],
            self.samples.angular_velocity[part],
            self.samples.specific_force[part],
        )

    def measure(self, keyframe):
        self.filter.drift()
        try:
            reading = self.estimator.reading([keyframe])
        except NoReading as error:
            if isinstance(error, Contradiction):
                self.filter.doubt()
            self.reasons.append(str(error))
            return
        factor = self.filter.correct(reading)
        if factor is not None:
            shift = (1 - factor) * keyframe.pose[:3, 3]
            keyframe.pose = keyframe.pose.copy()
            keyframe.reference_depth *= factor
            self.estimator.rescale(factor, shift)
            # The map is rescaled about the keyframe; its origin is moved back to where it was.
            self.unit /= factor
            offset = np.eye(4)
            offset[:3, 3] = -shift * self.unit
            self.world_from_map = self.world_from_map @ offset

    @property
    def scale_error(self):
        """Logarithm of estimated over true metres in a unit."""
        return -math.log(self.unit)

    @property
    def gravity_error(self):
        """(3,) difference of the unit vectors in the map."""
        gravity, _ = self.estimator.gravity()
        return gravity - self.world_from_map[:3, :3].T @ GRAVITY / 9.81
