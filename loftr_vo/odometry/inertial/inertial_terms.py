# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motions of an IMU as terms of the refinement of a window of keyframes.

Beside the keyframes' poses, unknown are velocity and biases at each keyframe, the metres in a unit
and gravity's direction. A motion is that between consecutive keyframes (``motion_residuals``);
biases make a random walk; the state at the first keyframe has a prior. These unknowns are seen by
no match, and matches' depths by no IMU. So both are eliminated separately (Schur complement), and
the poses are what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loftr_vo.geometry.rigid_motion import skew
from loftr_vo.odometry.inertial.inertial_state import (
    ACCELEROMETER,
    GRAVITY,
    GYROSCOPE,
    POSITION,
    ROTATION,
    SCALE,
    VELOCITY,
    InertialState,
)
from loftr_vo.odometry.inertial.motion_residuals import motion_residuals
from loftr_vo.odometry.inertial.preintegration import Bias, Preintegrated
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.window_refinement import across

# Of the errors of a state, those that have a prior: velocity, both biases, scale, gravity.
PRIOR = np.r_[VELOCITY, GYROSCOPE, ACCELEROMETER, SCALE, GRAVITY]
# Unknowns of a keyframe: velocity and biases.
_OWN = 9


@dataclass(frozen=True, eq=False)
class InertialData:
    """What was measured in a window, from its first keyframe with a known state on.

    Attributes:
        first: index of that keyframe in the window.
        free: index of the first keyframe whose pose is refined; at least ``first``.
        motions: between the N keyframes from ``first`` on, N - 1.
        whitening: (N - 1, 9, 9) of the motions' errors.
        walk_sigma: (N - 1, 6), of the change of the biases.
        prior: at ``first``, in the map.
        prior_whitening: (12, 12), of ``PRIOR``; applied to errors from the left.
        imu_in_camera: (4, 4), maps points of the IMU to the camera.
        weight: of these terms. Matches are not independent, so that together they have too much
            weight, and the IMU has as much more.
    """

    first: int
    free: int
    motions: Preintegrated
    whitening: np.ndarray
    walk_sigma: np.ndarray
    prior: InertialState
    prior_whitening: np.ndarray
    imu_in_camera: np.ndarray
    weight: float


@dataclass(frozen=True, eq=False)
class InertialTerms:
    """The terms, at some values of their own unknowns; see ``FurtherTerms``.

    Attributes:
        data: what was measured.
        velocities: (N, 3) of the IMU in the map's axes, in m/s.
        biases: (N, 6) of gyroscope and accelerometer.
        scale: metres in a unit of the map.
        gravity: (3,) in the map, in m/s^2.
        tangent: (3, 2), unit vectors across gravity.
    """

    data: InertialData
    velocities: np.ndarray
    biases: np.ndarray
    scale: float
    gravity: np.ndarray
    tangent: np.ndarray

    @classmethod
    def begin(cls, data: InertialData, rotations: list[np.ndarray]) -> InertialTerms:
        """Begin with the prior, and the velocities that follow from it.

        Args:
            data: what was measured.
            rotations: (3, 3) of each keyframe of the window, map from camera.
        """
        prior, motions = data.prior, data.motions
        velocities = [prior.velocity]
        for index, seconds in enumerate(motions.seconds):
            imu = rotations[data.first + index] @ data.imu_in_camera[:3, :3]
            gained = prior.gravity * seconds + imu @ motions.velocity[index]
            velocities.append(velocities[-1] + gained)
        bias = np.concatenate([prior.bias.gyroscope, prior.bias.accelerometer])
        return cls(
            data,
            np.stack(velocities),
            np.tile(bias, (len(velocities), 1)),
            prior.scale,
            prior.gravity,
            prior.tangent,
        )

    def cost(self, rotations: list[np.ndarray], positions: list[np.ndarray]) -> float:
        """Return the weighted sum of squared residuals; see ``linearised`` for the arguments."""
        residuals, _, _ = self.linearised(rotations, positions)
        return self.data.weight * float(residuals @ residuals)

    def contradicts(self, rotations: list[np.ndarray], positions: list[np.ndarray]) -> bool:
        """Whether the residuals are larger than the errors of IMU and prior can make them.

        A motion measures as much as a pose has, six numbers, and the poses are the matches'.
        """
        degrees = 6 * len(self.data.motions.seconds)
        mean_square = self.cost(rotations, positions) / (self.data.weight * degrees)
        return mean_square > TUNING.max_misfit

    def reduced(
        self, rotations: list[np.ndarray], positions: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return Hessian (6F, 6F) and gradient (6F,) of the free poses, the rest eliminated."""
        residuals, by_pose, by_own = self.linearised(rotations, positions)
        both = np.column_stack([by_pose, residuals])
        solved = np.linalg.solve(by_own.T @ by_own, by_own.T @ both)
        left = by_pose.T @ (both - by_own @ solved)
        hessian = left[:, :-1]
        weight = self.data.weight
        return weight * (hessian + hessian.T) / 2, weight * left[:, -1]

    def stepped(
        self, rotations: list[np.ndarray], positions: list[np.ndarray], step: np.ndarray
    ) -> InertialTerms:
        """Return the terms with the best values of their own unknowns after a step (6F,)."""
        residuals, by_pose, by_own = self.linearised(rotations, positions)
        own = -np.linalg.solve(by_own.T @ by_own, by_own.T @ (residuals + by_pose @ step))
        states = own[:-3].reshape(-1, _OWN)
        length = np.linalg.norm(self.gravity)
        gravity = self.gravity + length * (self.tangent @ own[-2:])
        gravity = gravity * (length / np.linalg.norm(gravity))
        return replace(
            self,
            velocities=self.velocities + states[:, :3],
            biases=self.biases + states[:, 3:],
            scale=self.scale * float(np.exp(own[-3])),
            gravity=gravity,
            tangent=across(gravity, self.tangent),
        )

    def linearised(
        self, rotations: list[np.ndarray], positions: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return whitened residuals (R,) and their derivatives.

        Args:
            rotations: (3, 3) of each keyframe of the window, map from camera.
            positions: (3,) likewise, in units.

        Returns:
            Residuals; their derivatives (R, 6F) by the free poses: position, and rotation (left
            perturbation); and (R, 9N + 3) by the own unknowns: velocity and biases of each of the
            N keyframes, logarithm of the scale, gravity along ``tangent``.
        """
        parts = (self._motions(rotations, positions), self._walks(), self._prior())
        residuals = np.concatenate([part[0] for part in parts])
        by_pose = np.zeros((len(residuals), 6 * (len(rotations) - self.data.free)))
        by_pose[: len(parts[0][0])] = parts[0][1]
        return residuals, by_pose, np.concatenate([part[-1] for part in parts])

    def _motions(
        self, rotations: list[np.ndarray], positions: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The motions between keyframes."""
        data, links = self.data, len(self.velocities) - 1
        camera = np.stack(rotations[data.first :])
        # Only differences count, so the origin is at the first.
        moved = self.scale * (np.stack(positions[data.first :]) - positions[data.first])
        arms, imu = camera @ data.imu_in_camera[:3, 3], camera @ data.imu_in_camera[:3, :3]
        bias = Bias(self.biases[:-1, :3], self.biases[:-1, 3:])
        found = motion_residuals(
            data.motions, imu, self.velocities, moved + arms, bias, self.gravity, self.tangent
        )
        by_pose = np.zeros((links, 9, 6 * (len(rotations) - data.free)))
        by_own = np.zeros((links, 9, _OWN * (links + 1) + 3))
        for link in range(links):
            for state, by_state in (
                (link, found.before[link]),
                (link + 1, found.after[link]),
            ):
                by_own[link, :, _OWN * state : _OWN * state + 3] = by_state[:, VELOCITY]
                by_own[link, :, -3] += by_state[:, POSITION] @ moved[state]
                column = 6 * (data.first + state - data.free)
                if column < 0:
                    continue  # a pose that is held
                by_pose[link, :, column : column + 3] = self.scale * by_state[:, POSITION]
                # A turn of the camera moves the IMU beside it.
                by_pose[link, :, column + 3 : column + 6] = by_state[:, ROTATION] @ imu[
                    state
                ].T - by_state[:, POSITION] @ skew(arms[state])
            by_own[link, :, _OWN * link + 3 : _OWN * (link + 1)] = found.by_bias[link]
        by_own[:, :, -2:] = found.by_gravity
        white = data.whitening
        return (
            (white @ found.values[..., None]).ravel(),
            (white @ by_pose).reshape(9 * links, -1),
            (white @ by_own).reshape(9 * links, -1),
        )

    def _walks(self) -> tuple[np.ndarray, np.ndarray]:
        """The changes of the biases from keyframe to keyframe."""
        links, sigma = len(self.biases) - 1, self.data.walk_sigma
        by_own = np.zeros((links, 6, _OWN * (links + 1) + 3))
        for link in range(links):
            inverse = np.diag(1 / sigma[link])
            by_own[link, :, _OWN * link + 3 : _OWN * (link + 1)] = -inverse
            by_own[link, :, _OWN * (link + 1) + 3 : _OWN * (link + 2)] = inverse
        residuals = np.diff(self.biases, axis=0) / sigma
        return residuals.ravel(), by_own.reshape(6 * links, -1)

    def _prior(self) -> tuple[np.ndarray, np.ndarray]:
        """What was known of the first state, the scale and gravity."""
        white = self.data.prior_whitening
        by_own = np.zeros((len(PRIOR), _OWN * len(self.biases) + 3))
        by_own[:, :_OWN], by_own[:, -3:] = white[:, :_OWN], white[:, _OWN:]
        return white @ self._prior_error(), by_own

    def _prior_error(self) -> np.ndarray:
        """(12,) of the first state, see ``PRIOR``."""
        prior = self.data.prior
        down = self.gravity / np.linalg.norm(self.gravity)
        expected = prior.gravity / np.linalg.norm(prior.gravity)
        return np.concatenate(
            [
                self.velocities[0] - prior.velocity,
                self.biases[0, :3] - prior.bias.gyroscope,
                self.biases[0, 3:] - prior.bias.accelerometer,
                [np.log(self.scale / prior.scale)],
                self.tangent.T @ (down - expected),
            ]
        )
