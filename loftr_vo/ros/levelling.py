# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Turns `odom` so that its z axis points up, without a jump of the pose."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.geometry.rigid_motion import transform
from loftr_vo.odometry.estimate import Estimate
from loftr_vo.ros.body import Body, StartPose

# Radians by which `odom` is turned with one picture once something was published in it: less than
# the noise of a pose's rotation, and a degree in a second at 20 Hz.
_MOST = math.radians(0.05)
# At the start, all that is known of gravity is the specific force, of so many measurements at
# least. It is up to an acceleration: where it is not as long as gravity, it is not taken.
_FEWEST = 5
_RECENT = 500_000_000  # nanoseconds
_GRAVITY, _OFF = 9.81, 0.5  # m/s^2
_UP = np.array([0.0, 0.0, 1.0])


class Levelling:
    """Finds how `odom` is to be turned; used by one thread.

    Attributes:
        tilt: radians between the z axis of `odom` and up by gravity; NaN while that is not known.
    """

    def __init__(self) -> None:
        self.begin(is_open=True)

    def begin(self, is_open: bool) -> None:
        """Begin anew.

        Args:
            is_open: whether the pose of the start is; it is not where it was set.
        """
        self.tilt = math.nan
        self._is_open = is_open

    def new_start(
        self,
        estimate: Estimate,
        body: Body,
        samples: ImuSamples | None,
        imu_from_camera: np.ndarray | None,
    ) -> StartPose | None:
        """Return the pose of the base at the first frame that makes ``odom`` level, or more so.

        None if it is to stay. At the first frame itself it is found from the specific force.

        Args:
            estimate: to be published next.
            body: what the camera is fixed to.
            samples: that came with the frame.
            imu_from_camera: (4, 4); None where it is not known.
        """
        # Nothing else was published then, nor is an odometry continued after a pause.
        is_first = self._is_open and np.array_equal(estimate.pose, np.eye(4))
        self._is_open = False
        up = None
        if is_first and samples is not None and imu_from_camera is not None:
            up = _up_at_rest(samples, imu_from_camera[:3, :3], estimate.pose[:3, :3])
        most = math.pi
        if estimate.gravity is not None:
            up, most = -estimate.gravity, math.pi if is_first else _MOST
        if up is None:
            return None
        turn = _shortest_turn(body.odom_from_world[:3, :3] @ up)
        if estimate.gravity is not None:
            self.tilt = float(np.linalg.norm(turn))
        motion = about(body.pose(estimate.pose)[:3, 3], limited(turn, most))
        return body.start.turned(motion)


def limited(turn: np.ndarray, most: float) -> np.ndarray:
    """Return the (3, 3) rotation by a rotation vector, at most so far."""
    angle = float(np.linalg.norm(turn))
    return np.asarray(Rotation.from_rotvec(turn * min(1.0, most / max(angle, 1e-12))).as_matrix())


def about(point: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return the (4, 4) motion that turns about a point (3,)."""
    return transform(rotation, point - rotation @ point)


def _up_at_rest(
    samples: ImuSamples, imu_axes: np.ndarray, world_from_camera: np.ndarray
) -> np.ndarray | None:
    """Return the direction of the mean specific force in the world; None if it is not gravity."""
    recent = samples.stamps > samples.stamps[-1] - _RECENT
    if recent.sum() < _FEWEST:
        return None
    force = samples.specific_force[recent].mean(axis=0) @ imu_axes
    length = float(np.linalg.norm(force))
    if abs(length - _GRAVITY) > _OFF:
        return None
    return np.asarray(world_from_camera @ force / length)


def _shortest_turn(up: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) that turns a unit vector to the z axis."""
    axis = np.cross(up, _UP)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9:
        return np.zeros(3) if up[2] > 0 else np.array([math.pi, 0.0, 0.0])
    return np.asarray(axis / sine * math.atan2(sine, up[2]))
