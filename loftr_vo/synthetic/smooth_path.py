# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A path as splines, whose derivatives are continuous: velocity, acceleration, turn rate."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline
from scipy.spatial.transform import Rotation

_DEGREE = 5


class SmoothPath:
    """A path through given poses, three times continuously differentiable and more.

    Positions and quaternions are splines of degree five through the knots; the quaternions are
    normalised in between. Where what the poses are from has a kink, the spline rounds it off
    within a few knots.

    Args:
        times: (N,) seconds, rising; six or more.
        poses: (N, 4, 4), world from body.
    """

    def __init__(self, times: np.ndarray, poses: np.ndarray) -> None:
        quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
        # Both signs are the same rotation; neighbours get the same one.
        flips = np.sum(quaternions[1:] * quaternions[:-1], axis=1) < 0
        quaternions[1:][np.cumsum(flips) % 2 == 1] *= -1
        self._position: BSpline = make_interp_spline(times, poses[:, :3, 3], _DEGREE)
        self._quaternion: BSpline = make_interp_spline(times, quaternions, _DEGREE)

    def poses(self, times: np.ndarray) -> np.ndarray:
        """(M, 4, 4) world from body."""
        poses = np.tile(np.eye(4), (len(times), 1, 1))
        poses[:, :3, :3] = Rotation.from_quat(self._quaternion(times)).as_matrix()
        poses[:, :3, 3] = self._position(times)
        return poses

    def velocities(self, times: np.ndarray) -> np.ndarray:
        """(M, 3) m/s in the world."""
        return np.asarray(self._position(times, 1))

    def accelerations(self, times: np.ndarray) -> np.ndarray:
        """(M, 3) m/s^2 in the world."""
        return np.asarray(self._position(times, 2))

    def angular_velocities(self, times: np.ndarray) -> np.ndarray:
        """(M, 3) rad/s in the body's axes: twice the vector part of q* q' / |q|^2."""
        quaternion, rate = self._quaternion(times), self._quaternion(times, 1)
        vector, scalar = quaternion[:, :3], quaternion[:, 3:]
        product = scalar * rate[:, :3] - rate[:, 3:] * vector - np.cross(vector, rate[:, :3])
        squared = np.sum(quaternion**2, axis=1, keepdims=True)
        return np.asarray(2.0 * product / squared)
