# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated IMU: what it measures on the path of a camera, with its errors."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.config import ImuSettings
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.inertial import ImuNoise, ImuSamples
from loftr_vo.synthetic.camera_path import CameraPath
from loftr_vo.synthetic.smooth_path import SmoothPath

# In the world of rendered scenes: y points down.
GRAVITY = np.array([0.0, 9.81, 0.0])
# A board a few centimetres from the lens, mounted by hand: some degrees askew.
_ASKEW = Rotation.from_euler('xyz', [3.0, -5.0, 8.0], degrees=True).as_matrix()
IMU_FROM_CAMERA = np.block(
    [[_ASKEW @ BODY_FROM_OPTICAL[:3, :3], np.array([[0.04], [0.03], [-0.02]])], [np.eye(4)[3:]]]
)
# Biases of a consumer IMU that is calibrated roughly: half a degree a second, a hundredth of g.
BIAS_GYROSCOPE = 0.01  # rad/s
BIAS_ACCELEROMETER = 0.1  # m/s^2

# Seconds between the knots of the path: a fifteenth of the shortest period of a hand's tremor.
_KNOTS = 0.05
# Seconds before the first frame and after the last one that are measured too.
_MARGIN = 0.5
# Samples are not taken when pictures are: by this share of an interval later.
_PHASE = 0.37


@dataclass(frozen=True)
class ImuOptions:
    """A simulated IMU.

    Attributes:
        rate: samples a second.
        noise: white noise and random walk, as multiples of the densities in ``ImuSettings``.
        bias: length of the constant biases, as a multiple of ``BIAS_GYROSCOPE`` and
            ``BIAS_ACCELEROMETER``; their directions are random.
        offset: seconds by which its stamps are ahead of the pictures'.

    Raises:
        ValueError: one is out of its range.
    """

    rate: float = 200.0
    noise: float = 1.0
    bias: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not 10.0 <= self.rate <= 10_000.0:
            raise ValueError(f'the rate of an IMU must lie in [10, 10000] Hz, got {self.rate}')
        for name in ('noise', 'bias'):
            if not 0.0 <= getattr(self, name) <= 1000.0:
                raise ValueError(
                    f'the {name} of an IMU must lie in [0, 1000], got {getattr(self, name)}'
                )
        if not abs(self.offset) < _MARGIN:
            raise ValueError(
                f"the offset of an IMU's clock must be less than {_MARGIN} s, got {self.offset}"
            )


def stated_noise(options: ImuOptions) -> ImuNoise:
    """Return the densities that an IMU is said to have: its own, or the usual ones without any."""
    usual = astuple(ImuNoise.from_settings(ImuSettings()))
    factor = options.noise or 1.0
    return ImuNoise(*(density * factor for density in usual))


def imu_path(path: CameraPath, times: np.ndarray) -> SmoothPath:
    """Return the path of the IMU, world from IMU; it holds the true poses of all frames.

    Args:
        path: of the camera.
        times: (N,) seconds of the frames, evenly spaced.
    """
    step = float(times[1] - times[0]) if len(times) > 1 else _KNOTS
    parts = math.ceil(step / _KNOTS - 1e-9)
    spacing = step / parts
    beyond = math.ceil(2 * _MARGIN / spacing)
    knots = float(times[0]) + spacing * np.arange(-beyond, (len(times) - 1) * parts + beyond + 1)
    camera_from_imu = np.linalg.inv(IMU_FROM_CAMERA)
    return SmoothPath(knots, np.stack([path(float(time)) for time in knots]) @ camera_from_imu)


def simulate_imu(
    path: CameraPath,
    times: np.ndarray,
    start: int,
    options: ImuOptions,
    rng: np.random.Generator,
) -> ImuSamples:
    """Return what an IMU measures, from half a second before the first frame to after the last.

    Args:
        path: of the camera.
        times: (N,) seconds of the frames, evenly spaced.
        start: nanoseconds, the stamp of the time 0.
        options: rate and errors.
        rng: draws biases and noise.
    """
    smooth = imu_path(path, times)
    count = math.floor((float(times[-1] - times[0]) + 2 * _MARGIN) * options.rate)
    moments = float(times[0]) - _MARGIN + (np.arange(count) + _PHASE) / options.rate
    rotations = smooth.poses(moments)[:, :3, :3]
    forces = np.einsum('nji,nj->ni', rotations, smooth.accelerations(moments) - GRAVITY)
    turns = smooth.angular_velocities(moments)
    noise = stated_noise(options)
    turns += _errors(noise.gyroscope, noise.gyroscope_walk, BIAS_GYROSCOPE, options, count, rng)
    forces += _errors(
        noise.accelerometer, noise.accelerometer_walk, BIAS_ACCELEROMETER, options, count, rng
    )
    stamps = start + np.round((moments + options.offset) * 1e9).astype(np.int64)
    return ImuSamples(stamps, turns, forces)


def _errors(
    density: float,
    walk: float,
    bias: float,
    options: ImuOptions,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """(count, 3): a constant bias, its random walk, and white noise, sampled at the rate."""
    direction = rng.normal(size=3)
    white, steps = rng.normal(size=(2, count, 3))
    constant = options.bias * bias * direction / np.linalg.norm(direction)
    if not options.noise:
        return np.tile(constant, (count, 1))
    walked = np.cumsum(steps, axis=0) * walk / math.sqrt(options.rate)
    return np.asarray(constant + walked + white * density * math.sqrt(options.rate))
