# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Odometry at the rate of an IMU: from the last estimate on, by the measurements since then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.geometry.rotation import rotation_vector
from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.odometry.inertial.imu_checks import mean_between
from loftr_vo.odometry.inertial.propagation import MovingPose, propagate
from loftr_vo.odometry.tracking.camera_step import CameraStep
from loftr_vo.ros.body import Body

_GRAVITY = 9.81  # m/s^2
# Seconds after a picture for which its estimate is continued.
_LONGEST = 0.5
# Steps over which the gyroscope's bias is averaged: a second or two.
_BIAS_STEPS = 30


@dataclass(frozen=True, eq=False)
class _Anchor:
    """The last estimate, and what is needed to go on from it."""

    moving: MovingPose
    body: Body
    camera_from_imu: np.ndarray
    bias: np.ndarray
    gravity: np.ndarray | None


class BetweenPictures:
    """Publishes the pose at a rate between pictures.

    ``begin_at`` and ``end`` are called on the worker's thread, ``measured`` on the executor's.

    Args:
        rate: Hz, by the stamps of the measurements.
        since: returns the measurements after a stamp and the one before it.
        publish: called with a pose and what the camera is fixed to.
    """

    def __init__(
        self,
        rate: float,
        since: Callable[[int], ImuSamples | None],
        publish: Callable[[MovingPose, Body], None],
    ) -> None:
        self._period = round(1e9 / rate)
        self._since = since
        self._publish = publish
        self._bias = np.zeros(3)
        self._steps = 0
        # Replaced, not changed: another thread reads it.
        self._anchor: _Anchor | None = None
        self._last = 0

    def end(self) -> None:
        """Publish nothing until the next estimate."""
        self._anchor = None

    def begin_at(
        self,
        estimate: Estimate,
        body: Body,
        samples: ImuSamples | None,
        imu_from_camera: np.ndarray | None,
    ) -> None:
        """Go on from an estimate; publish nothing after one without a velocity.

        Args:
            estimate: the last one.
            body: what the camera is fixed to.
            samples: that came with its frame.
            imu_from_camera: (4, 4); None where it is not known.
        """
        step, self._anchor = estimate.step, None
        if step is None or samples is None or len(samples) < 2 or imu_from_camera is None:
            return
        if estimate.state is not State.TRACKING or estimate.imu_fault:
            return
        camera_from_imu = imu_from_camera[:3, :3].T
        start = estimate.stamp - round(step.seconds * 1e9)
        turn, force = (
            mean_between(samples.stamps, values, start, estimate.stamp)
            for values in (samples.angular_velocity, samples.specific_force)
        )
        self._average_bias(turn, step, camera_from_imu)
        gravity = None
        if estimate.metric and estimate.gravity is not None:
            gravity = _GRAVITY * estimate.gravity
        push = None if gravity is None else camera_from_imu @ force
        moving = _moving(estimate, step, push, gravity)
        self._anchor = _Anchor(moving, body, camera_from_imu, self._bias, gravity)

    def measured(self, stamp: int) -> None:
        """Publish the pose at the newest measurement, if it is time."""
        anchor = self._anchor
        if anchor is None or not 0 < stamp - anchor.moving.stamp <= _LONGEST * 1e9:
            return
        if 0 <= stamp - self._last < self._period:
            return
        samples = self._since(anchor.moving.stamp)
        if samples is None or samples.stamps[-1] <= anchor.moving.stamp:
            return
        self._last = stamp
        moving = propagate(
            anchor.moving, samples, anchor.camera_from_imu, anchor.bias, anchor.gravity
        )
        self._publish(moving, anchor.body)

    def _average_bias(
        self, turn: np.ndarray, step: CameraStep, camera_from_imu: np.ndarray
    ) -> None:
        """Average by how much the gyroscope turns faster than the pictures."""
        by_camera = rotation_vector(step.motion[:3, :3]) / step.seconds
        self._steps = min(self._steps + 1, _BIAS_STEPS)
        off = turn - camera_from_imu.T @ by_camera
        self._bias = self._bias + (off - self._bias) / self._steps


def _moving(
    estimate: Estimate, step: CameraStep, push: np.ndarray | None, gravity: np.ndarray | None
) -> MovingPose:
    """Return pose and velocity at an estimate.

    A step has its mean velocity, that in its middle; half of its change in speed is added.
    """
    axes = estimate.pose[:3, :3]
    velocity = axes @ step.translation / step.seconds
    if push is not None and gravity is not None:
        velocity = velocity + (axes @ push + gravity) * step.seconds / 2
    covariance = axes @ step.covariance[:3, :3] @ axes.T / step.seconds**2
    return MovingPose(estimate.stamp, estimate.pose, velocity, estimate.covariance, covariance)
