# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Preintegrated measurements of an IMU: its motion between two times, whatever the first state.

Forster, Carlone, Dellaert, Scaramuzza: On-Manifold Preintegration for Real-Time Visual-Inertial
Odometry, 2017. Their recursions over samples are sums here, of sensitivities of the result to the
error of each sample. So nothing is computed sample by sample: the prefix products of rotations
take log2(N) batched products, and the rest is cumulative sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.geometry.so3 import exponential, right_jacobian, skew_matrices


@dataclass(frozen=True, eq=False)
class ImuSteps:
    """Measurements between two times as steps within which they are constant.

    Attributes:
        seconds: (..., N) lengths of the steps; steps of no length change nothing.
        angular_velocity: (..., N, 3) in rad/s, in the IMU's axes during the step.
        specific_force: (..., N, 3) in m/s^2, likewise.
    """

    seconds: np.ndarray
    angular_velocity: np.ndarray
    specific_force: np.ndarray

    @classmethod
    def stacked(cls, parts: Sequence[ImuSteps]) -> ImuSteps:
        """Return M intervals at once, the shorter ones filled with steps of no length."""
        longest = max(len(part.seconds) for part in parts)
        seconds = np.zeros((len(parts), longest))
        values = np.zeros((2, len(parts), longest, 3))
        for index, part in enumerate(parts):
            count = len(part.seconds)
            seconds[index, :count] = part.seconds
            values[0, index, :count] = part.angular_velocity
            values[1, index, :count] = part.specific_force
        return cls(seconds, values[0], values[1])

    def with_negated_forces(self) -> ImuSteps:
        """Return the steps of an accelerometer that measures the opposite."""
        return replace(self, specific_force=-self.specific_force)


@dataclass(frozen=True, eq=False)
class Bias:
    """Biases of an IMU: what it measures is the truth plus these.

    Attributes:
        gyroscope: (3,) in rad/s; or (..., 3), of many motions.
        accelerometer: (3,) in m/s^2; likewise.
    """

    gyroscope: np.ndarray
    accelerometer: np.ndarray

    @classmethod
    def zero(cls) -> Bias:
        """Return that of a perfect IMU."""
        return cls(np.zeros(3), np.zeros(3))


@dataclass(frozen=True, eq=False)
class Preintegrated:
    """The motion of an IMU between two times, in its axes at the first; or many such motions.

    With rotation R, velocity v, position p in a world with gravity g, seconds t:
    R_j = R_i ``rotation``; v_j = v_i + g t + R_i ``velocity``;
    p_j = p_i + v_i t + g t^2 / 2 + R_i ``position``.

    Attributes:
        seconds: (...) between both times.
        rotation: (..., 3, 3), the first axes from the last.
        velocity: (..., 3) in m/s.
        position: (..., 3) in metres.
        bias: that was subtracted.
        covariance: (..., 9, 9) of the errors of rotation (right perturbation: true = rotation
            exp(e)), velocity and position, by the noise of the samples.
        by_gyroscope: (..., 9, 3) derivatives of rotation, velocity and position (as above) by the
            gyroscope's bias.
        by_accelerometer: (..., 9, 3) derivatives by the accelerometer's bias.
    """

    seconds: np.ndarray
    rotation: np.ndarray
    velocity: np.ndarray
    position: np.ndarray
    bias: Bias
    covariance: np.ndarray
    by_gyroscope: np.ndarray
    by_accelerometer: np.ndarray

    def corrected(self, bias: Bias) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rotation, velocity and position with another bias, by first order.

        Args:
            bias: one for all motions, or (..., 3) each.
        """
        turned = (bias.gyroscope - self.bias.gyroscope)[..., None]
        pushed = (bias.accelerometer - self.bias.accelerometer)[..., None]
        change = (self.by_gyroscope @ turned + self.by_accelerometer @ pushed)[..., 0]
        rotation = self.rotation @ exponential(change[..., :3])
        return rotation, self.velocity + change[..., 3:6], self.position + change[..., 6:]


def preintegrate(steps: ImuSteps, bias: Bias, noise: ImuNoise) -> Preintegrated:
    """Integrate the steps between two times.

    Args:
        steps: N of them, at least one; of one interval or of many.
        bias: subtracted from the measurements.
        noise: of the measurements.
    """
    seconds = steps.seconds[..., None]
    turns = (steps.angular_velocity - bias.gyroscope) * seconds
    halves = exponential(turns / 2)
    rotations = prefix_products(halves @ halves)  # after each step
    before = np.concatenate(
        [np.broadcast_to(np.eye(3), rotations[..., :1, :, :].shape), rotations[..., :-1, :, :]],
        axis=-3,
    )
    # The mean rotation within a step is, by second order, that in its middle.
    middle = before @ halves
    gained = (middle @ (steps.specific_force - bias.accelerometer)[..., None])[..., 0] * seconds
    velocities = np.cumsum(gained, axis=-2)
    mean_velocities = velocities - gained / 2
    positions = np.cumsum(mean_velocities * seconds, axis=-2)
    # From the middle of each step on.
    left = steps.seconds.sum(axis=-1, keepdims=True) - np.cumsum(steps.seconds, axis=-1)
    left = left + steps.seconds / 2
    later_velocity = velocities[..., -1:, :] - mean_velocities
    later_position = positions[..., -1:, :] - (positions - velocities * seconds / 2)
    later_position = later_position - mean_velocities * left[..., None]
    last = rotations[..., -1, :, :]
    # A turn of the axes turns all that is added to velocity and position from then on.
    turned = rotations @ (right_jacobian(turns) * seconds[..., None])  # in the first axes
    by_gyroscope = np.concatenate(
        [
            last[..., None, :, :].swapaxes(-1, -2) @ turned,
            -skew_matrices(later_velocity) @ turned,
            -skew_matrices(later_position) @ turned,
        ],
        axis=-2,
    )
    moved = middle * seconds[..., None]
    by_accelerometer = np.concatenate(
        [np.zeros_like(moved), moved, moved * left[..., None, None]], axis=-2
    )
    covariance = _sum_of_squares(by_gyroscope, steps.seconds) * noise.gyroscope**2
    covariance += _sum_of_squares(by_accelerometer, steps.seconds) * noise.accelerometer**2
    return Preintegrated(
        seconds=steps.seconds.sum(axis=-1),
        rotation=last,
        velocity=velocities[..., -1, :],
        position=positions[..., -1, :],
        bias=bias,
        covariance=covariance,
        by_gyroscope=-by_gyroscope.sum(axis=-3),
        by_accelerometer=-by_accelerometer.sum(axis=-3),
    )


def _sum_of_squares(sensitivity: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """(..., 9, 9) covariance of the result for white noise of unit density in each step.

    Args:
        sensitivity: (..., N, 9, 3) derivatives of the result by the measurement of each step.
        seconds: (..., N).
    """
    spread = 1 / np.sqrt(np.where(seconds > 0, seconds, np.inf))
    columns = np.moveaxis(sensitivity * spread[..., None, None], -3, -2)
    columns = columns.reshape(*columns.shape[:-3], 9, -1)
    covariance: np.ndarray = columns @ columns.swapaxes(-1, -2)
    return covariance


def prefix_products(matrices: np.ndarray) -> np.ndarray:
    """(..., N, 3, 3) products of the first 1, 2, ..., N matrices (Hillis, Steele 1986)."""
    products = matrices.copy()
    shift = 1
    while shift < products.shape[-3]:
        products[..., shift:, :, :] = products[..., :-shift, :, :] @ products[..., shift:, :, :]
        shift *= 2
    return products
