# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of a frame together with its readout rotation.

A readout rotation displaces each row by another amount, which no pose does. So both are observable
in one picture: nine unknowns, and hundreds of cells of known depth. No gyroscope is needed, and no
assumption on the motion between two pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from loftr_vo.geometry.linear_solve import solve
from loftr_vo.geometry.reprojection import MatchArrays, linearise, summed_products
from loftr_vo.odometry.pose.known_depth_refinement import known_depth_weights
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.rolling_shutter.model import to_middle_row
from loftr_vo.odometry.rolling_shutter.tuning import TUNING


@dataclass(frozen=True, eq=False)
class PoseAndReadoutRotation:
    """The solution.

    Attributes:
        rotation: (3, 3), frame from keyframe, at the middle row.
        translation: (3,), frame from keyframe.
        readout_rotation: (3,) radians, see ``model``.
        covariance: (9, 9) of (translation, rotation, readout rotation); of the rotation, a left
            perturbation.
    """

    rotation: np.ndarray
    translation: np.ndarray
    readout_rotation: np.ndarray
    covariance: np.ndarray

    @property
    def covariance_by_readout_rotation(self) -> np.ndarray:
        """(6, 6), the part of the pose's covariance that is due to the readout rotation.

        A pose with the readout rotation held fixed lacks it (difference to the Schur complement).
        """
        across, of_readout = self.covariance[:6, 6:], self.covariance[6:, 6:]
        part: np.ndarray = across @ np.linalg.solve(of_readout, across.T)
        return (part + part.T) / 2


def refine_pose_and_readout_rotation(
    observations: Observations,
    share: np.ndarray,
    start: tuple[np.ndarray, np.ndarray],
    expected: np.ndarray,
    deviation: float,
) -> PoseAndReadoutRotation:
    """Gauss-Newton on the reprojection errors of cells of known depth, depths held fixed.

    The robust weights are those of ``known_depth_refinement.solve_by_known_depth``, which does the
    same for a global shutter.

    Args:
        observations: N matches, not fewer than six; ``rays1`` without correction for the readout
            rotation, ``rays0`` with it.
        share: (N,) of the readout time, see ``model``.
        start: rotation and translation, frame from keyframe.
        expected: (3,) prior of the readout rotation, to start from.
        deviation: standard deviation of the prior, in radians.
    """
    rotation, translation = start
    readout_rotation = expected
    for _ in range(TUNING.iterations):
        straight = to_middle_row(observations.rays1, share, readout_rotation)
        match_arrays = MatchArrays.of(observations.rays0, straight, observations.whitening)
        linear = linearise(match_arrays, rotation, translation, observations.prior)
        by_all = np.concatenate([linear.by_pose, _by_readout_rotation(match_arrays, share)])
        weighted = by_all * known_depth_weights(linear, observations.variance)
        flat = weighted.reshape(9, -1)
        hessian = summed_products(flat, by_all.reshape(9, -1))
        gradient = flat @ linear.residual.ravel()
        hessian[6:, 6:] += np.eye(3) / deviation**2
        gradient[6:] += (readout_rotation - expected) / deviation**2
        step = -solve(hessian, gradient)
        translation = translation + step[:3]
        rotation = cv2.Rodrigues(step[3:6])[0] @ rotation
        readout_rotation = readout_rotation + step[6:]
        if -step @ gradient < TUNING.last_step_sigmas**2:
            break
    return PoseAndReadoutRotation(rotation, translation, readout_rotation, np.linalg.inv(hessian))


def _by_readout_rotation(match_arrays: MatchArrays, share: np.ndarray) -> np.ndarray:
    """Derivatives (3, 2, N) of the residuals by the readout rotation.

    A small rotation w moves the corrected ray r by share * (w x r), and its coordinates with it.
    The residual is the projection less these coordinates.
    """
    x, y = match_arrays.points
    by_rotation = (
        np.stack([-x * y, -(1 + y * y)]),
        np.stack([1 + x * x, x * y]),
        np.stack([-y, x]),
    )
    return np.stack([-share * match_arrays.whitened(each) for each in by_rotation])
