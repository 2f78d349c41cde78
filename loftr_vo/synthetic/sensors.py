# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated sensors with their errors: a depth camera with holes, wheels that slip."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.synthetic.camera_path import CameraPath

# A depth camera by stereo or structured light: it measures a disparity, so that the noise of
# depth grows with its square (Nguyen, Izadi, Lovell: Modeling Kinect Sensor Noise, 2012).
_INVERSE_DEPTH_SIGMA = 0.0025  # 1/m
NEAREST, FARTHEST = 0.4, 10.0  # metres
_EDGE = 0.05  # relative step of depth beside which there is none
_HOLES = 12  # patches without a measurement: glass, black, shiny
_HOLE_SIZE = 0.09  # of the picture's width, mean radius

WHEEL_RATE = 50.0  # hertz
_WHEEL_SIGMA = 0.05  # relative, of one step's length
_YAW_SIGMA = 0.02  # relative, of one step's turn
_SLIPS = 0.08  # share of the time that wheels slip
_SLIP_TIME = 0.4  # seconds, mean
_SLIP_FACTOR = (1.2, 2.5)  # by which a slipping wheel turns too far


def depth_camera(depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a depth camera's measurement of true depth.

    Args:
        depth: (H, W) metres.
        rng: draws noise and holes.

    Returns:
        (H, W) float32 metres in whole millimetres, 0 where there is no measurement: beyond its
        range, at edges, and in patches.
    """
    inverse = 1.0 / depth + rng.normal(0.0, _INVERSE_DEPTH_SIGMA, depth.shape)
    seen = (depth > NEAREST) & (depth < FARTHEST) & (inverse > 0)
    logarithm = np.log(depth).astype(np.float32)
    window = np.ones((3, 3), np.uint8)
    seen &= cv2.dilate(logarithm, window) - cv2.erode(logarithm, window) < _EDGE
    holes = np.zeros(depth.shape, np.uint8)
    height, width = depth.shape
    for _ in range(_HOLES):
        centre = int(rng.integers(width)), int(rng.integers(height))
        axes = np.maximum(1, rng.exponential(_HOLE_SIZE * width, 2)).astype(int).tolist()
        cv2.ellipse(holes, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    measured = np.where(seen & (holes == 0), 1.0 / np.maximum(inverse, 1e-6), 0.0)
    return np.round(measured, 3).astype(np.float32)


def wheel_odometry(
    path: CameraPath, seconds: float, start: int, rng: np.random.Generator
) -> Trajectory:
    """Return wheel odometry of the path of a camera that looks along the base's x axis.

    Each step's length and turn have noise, and now and then the wheels slip.

    Args:
        path: of the camera.
        seconds: how long.
        start: nanoseconds, the time 0 of the path.
        rng: draws noise and slips.
    """
    times = np.arange(0.0, seconds + 1 / WHEEL_RATE, 1 / WHEEL_RATE)
    to_base = np.linalg.inv(BODY_FROM_OPTICAL)
    true = [BODY_FROM_OPTICAL @ path(float(time)) @ to_base for time in times]
    slip = _slips(len(times), rng)
    poses = [true[0]]
    for index in range(1, len(times)):
        step = np.linalg.inv(true[index - 1]) @ true[index]
        step[:3, 3] *= (1.0 + rng.normal(0.0, _WHEEL_SIGMA)) * slip[index]
        turn = Rotation.from_matrix(step[:3, :3]).as_rotvec() * (1 + rng.normal(0, _YAW_SIGMA))
        step[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
        poses.append(poses[-1] @ step)
    return Trajectory(start + np.round(times * 1e9).astype(np.int64), np.stack(poses))


def _slips(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) factors of the length of a step: one, but more while the wheels slip."""
    factors = np.ones(count)
    begin_rate = _SLIPS / (_SLIP_TIME * WHEEL_RATE)
    for index in np.flatnonzero(rng.random(count) < begin_rate):
        length = max(1, round(rng.exponential(_SLIP_TIME) * WHEEL_RATE))
        factors[index : index + length] = rng.uniform(*_SLIP_FACTOR)
    return factors
