# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The rotation of a camera that does not translate, from matches."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.linear_solve import solve
from loftr_vo.geometry.reprojection import (
    linearise,
    squared_norms,
    summed_products,
)
from loftr_vo.geometry.robust_cost import (
    cauchy_weights,
)
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.tuning import TUNING


def fit_rotation(observations: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Fit a rotation (3, 3), frame from keyframe, to matches, without robust weights.

    Returns:
        The rotation (Kabsch 1976), and its errors (N,) in standard deviations.
    """
    rays0 = observations.rays0 / np.linalg.norm(observations.rays0, axis=1, keepdims=True)
    rays1 = observations.rays1 / np.linalg.norm(observations.rays1, axis=1, keepdims=True)
    rotation = Rotation.align_vectors(rays1, rays0)[0].as_matrix()
    return rotation, rotation_errors(observations, rotation)


def rotation_errors(observations: Observations, rotation: np.ndarray) -> np.ndarray:
    """Errors (N,) of the matches under a rotation (3, 3), in standard deviations."""
    rotated = observations.rays0 @ rotation.T
    error = rotated[:, :2] / rotated[:, 2:] - observations.rays1[:, :2]
    return np.linalg.norm(np.einsum('nij,nj->ni', observations.whitening, error), axis=1)


def refine_rotation(observations: Observations, rotation: np.ndarray) -> np.ndarray:
    """Refine a rotation (3, 3) robustly, each match weighted by its information."""
    no_translation, no_depth = np.zeros(3), np.zeros(len(observations.prior))
    for _ in range(TUNING.rotation_iterations):
        linear = linearise(observations.match_arrays, rotation, no_translation, no_depth)
        weight = cauchy_weights(squared_norms(linear.residual))
        weighted = (linear.by_pose[3:] * weight).reshape(3, -1)
        hessian = summed_products(weighted, linear.by_pose[3:].reshape(3, -1))
        step = -solve(hessian, weighted @ linear.residual.ravel())
        rotation = cv2.Rodrigues(step)[0] @ rotation
    return rotation
