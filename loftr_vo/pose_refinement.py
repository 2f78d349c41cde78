# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of a frame against its keyframe: one small robust solve over pose and depths.

Every matched cell has an inverse depth rho with a Gaussian prior; a cell never triangulated has a
prior so wide that only its epipolar error counts, a well known one acts as in PnP. So one cost
holds both:

    sum_i  huber(|W_i (pi(R x_i + rho_i t) - y_i)|)  +  (rho_i - prior_i)^2 / variance_i

The depths do not see each other, so their part of the normal equations is diagonal and is
eliminated (Schur complement; Triggs et al., Bundle Adjustment, 2000, section 6.1): 6 x 6 is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

# Huber's constant for 95 % efficiency on Gaussian errors.
_HUBER = 1.345
_ITERATIONS = 12
_LIKELY = 2.5  # standard deviations
_CONVERGED = 1e-7
# A point must stay in front of the second camera, in units of its first depth.
_LEAST_DEPTH = 1e-3


@dataclass(frozen=True)
class Observations:
    """N cells of the keyframe seen in a frame.

    Attributes:
        rays0: (N, 3) rays in the keyframe, z = 1.
        rays1: (N, 3) rays in the frame, z = 1.
        whitening: (N, 2, 2), turns an error of rays1 in units of z = 1 into standard deviations.
        prior: (N,) inverse depth in the keyframe.
        variance: (N,) of the prior.
    """

    rays0: np.ndarray
    rays1: np.ndarray
    whitening: np.ndarray
    prior: np.ndarray
    variance: np.ndarray

    def select(self, chosen: np.ndarray) -> Observations:
        """Return those that the mask or the indices ``chosen`` name."""
        return Observations(
            self.rays0[chosen],
            self.rays1[chosen],
            self.whitening[chosen],
            self.prior[chosen],
            self.variance[chosen],
        )


@dataclass(frozen=True)
class RefinedPose:
    """The solution.

    Attributes:
        rotation: (3, 3), frame from keyframe.
        translation: (3,), frame from keyframe.
        covariance: (6, 6) of (translation, rotation), a left perturbation of the rotation.
        inverse_depth: (N,) posterior mean.
        depth_variance: (N,) posterior variance, the pose taken as known.
        error: (N,) length of the reprojection error, in standard deviations of the match.
        distance: (N,) the same in units of z = 1.
        cost: the robust cost reached.
    """

    rotation: np.ndarray
    translation: np.ndarray
    covariance: np.ndarray
    inverse_depth: np.ndarray
    depth_variance: np.ndarray
    error: np.ndarray
    distance: np.ndarray
    cost: float


@dataclass(frozen=True)
class _Linearised:
    """Residuals and their derivatives, in standard deviations of the match."""

    residual: np.ndarray  # (N, 2)
    by_pose: np.ndarray  # (N, 2, 6), translation then rotation
    by_depth: np.ndarray  # (N, 2)


def refine_pose(
    observations: Observations,
    rotation: np.ndarray,
    translation: np.ndarray,
    *,
    fixed_length: bool = False,
) -> RefinedPose:
    """Levenberg-Marquardt from a start.

    Args:
        observations: the matches; not fewer than six.
        rotation: (3, 3) to start from, frame from keyframe.
        translation: (3,) to start from.
        fixed_length: hold the length of the translation, where no depth is known to give it.
    """
    depths = _best_depths(observations, rotation, translation, observations.prior)
    cost = _cost(observations, rotation, translation, depths)
    damping = 1e-4
    for _ in range(_ITERATIONS):
        linear = _linearise(observations, rotation, translation, depths)
        hessian, gradient, eliminate = _reduced(observations, linear, depths)
        free = directions_keeping_length(translation) if fixed_length else np.eye(6)
        hessian = free.T @ hessian @ free
        step = free @ np.linalg.solve(
            hessian + damping * np.diag(np.diag(hessian)), -free.T @ gradient
        )
        candidate = (
            cv2.Rodrigues(step[3:])[0] @ rotation,
            _kept_length(translation + step[:3], translation, fixed_length),
            depths + eliminate(step),
        )
        candidate_cost = _cost(observations, *candidate)
        if candidate_cost < cost:
            converged = cost - candidate_cost < _CONVERGED * cost
            (rotation, translation, depths), cost = candidate, candidate_cost
            damping = max(damping / 10, 1e-8)
            if converged:
                break
        else:
            damping *= 10
            if damping > 1e3:
                break
    return _solution(observations, rotation, translation, depths, cost, fixed_length)


@dataclass(frozen=True)
class RefinedDepth:
    """Depths that fit a pose held fixed; see ``RefinedPose`` for the fields."""

    inverse_depth: np.ndarray
    depth_variance: np.ndarray
    error: np.ndarray
    distance: np.ndarray


def refine_depth(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> RefinedDepth:
    """Each cell's inverse depth by its prior and its match, the motion taken as known."""
    depths = _best_depths(observations, rotation, translation, observations.prior)
    linear = _linearise(observations, rotation, translation, depths)
    information = np.sum(linear.by_depth**2, axis=1) + 1 / observations.variance
    return RefinedDepth(
        depths,
        1 / information,
        np.linalg.norm(linear.residual, axis=1),
        _distance(observations, linear),
    )


def fit_rotation(observations: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3), frame from keyframe, of a camera that only turns.

    Returns:
        The rotation (Kabsch 1976), and the errors (N,) it leaves, in standard deviations.
    """
    rays0 = observations.rays0 / np.linalg.norm(observations.rays0, axis=1, keepdims=True)
    rays1 = observations.rays1 / np.linalg.norm(observations.rays1, axis=1, keepdims=True)
    rotation = Rotation.align_vectors(rays1, rays0)[0].as_matrix()
    turned = observations.rays0 @ rotation.T
    error = turned[:, :2] / turned[:, 2:] - observations.rays1[:, :2]
    return rotation, np.linalg.norm(whitened(observations.whitening, error), axis=1)


def agreeing(refined: RefinedPose | RefinedDepth, threshold: float) -> np.ndarray:
    """Inliers (N,) bool: near where they should be, for what they say of themselves.

    Args:
        refined: the solution.
        threshold: distance, in units of z = 1, within which any match agrees.
    """
    behind = refined.inverse_depth < -3 * np.sqrt(refined.depth_variance)
    near = (refined.distance < threshold) | (refined.error < _LIKELY)
    return near & ~behind


def _solution(
    observations: Observations,
    rotation: np.ndarray,
    translation: np.ndarray,
    depths: np.ndarray,
    cost: float,
    fixed_length: bool,
) -> RefinedPose:
    linear = _linearise(observations, rotation, translation, depths)
    hessian, _, _ = _reduced(observations, linear, depths)
    free = directions_keeping_length(translation) if fixed_length else np.eye(6)
    error = np.linalg.norm(linear.residual, axis=1)
    # Matches are not as good as they say where the residuals are larger than their sigma.
    excess = max(1.0, float(np.median(error) / 1.1774) ** 2)
    information = huber_weights(error)[:, None] * linear.by_depth**2
    return RefinedPose(
        rotation,
        translation,
        free @ np.linalg.pinv(free.T @ hessian @ free, hermitian=True) @ free.T * excess,
        depths,
        excess / (information.sum(axis=1) + 1 / observations.variance),
        error,
        _distance(observations, linear),
        cost,
    )


def _distance(observations: Observations, linear: _Linearised) -> np.ndarray:
    unwhitened = np.linalg.solve(observations.whitening, linear.residual[..., None])[..., 0]
    return np.linalg.norm(unwhitened, axis=1)


def _linearise(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray, depths: np.ndarray
) -> _Linearised:
    turned = observations.rays0 @ rotation.T
    point = turned + depths[:, None] * translation
    z = np.maximum(point[:, 2], _LEAST_DEPTH)
    projected = point[:, :2] / z[:, None]
    by_point = observations.whitening @ projection_jacobian(projected, z)
    by_pose = np.empty((len(z), 2, 6))
    by_pose[:, :, :3] = by_point * depths[:, None, None]
    # d(exp(w) turned)/dw = -[turned]x, and row . (-[a]x) = a x row
    by_pose[:, :, 3:] = np.cross(turned[:, None, :], by_point)
    residual = whitened(observations.whitening, projected - observations.rays1[:, :2])
    return _Linearised(residual, by_pose, by_point @ translation)


def _reduced(observations: Observations, linear: _Linearised, depths: np.ndarray):
    """Normal equations of the pose with the depths eliminated, and how to get these back."""
    weight = huber_weights(np.linalg.norm(linear.residual, axis=1))
    by_pose, by_depth, residual = linear.by_pose, linear.by_depth, linear.residual
    weighted = by_pose * weight[:, None, None]
    pose_pose = np.tensordot(weighted, by_pose, axes=([0, 1], [0, 1]))
    pose_depth = np.einsum('nrk,nr->nk', weighted, by_depth)  # (N, 6)
    depth_depth = weight * np.sum(by_depth**2, axis=1) + 1 / observations.variance
    pose_gradient = np.einsum('nrk,nr->k', weighted, residual)
    depth_gradient = weight * np.sum(by_depth * residual, axis=1)
    depth_gradient = depth_gradient + (depths - observations.prior) / observations.variance
    scaled = pose_depth / depth_depth[:, None]
    hessian = pose_pose - scaled.T @ pose_depth
    gradient = pose_gradient - scaled.T @ depth_gradient

    def eliminate(step: np.ndarray) -> np.ndarray:
        return -(depth_gradient + pose_depth @ step) / depth_depth

    return hessian, gradient, eliminate


def _best_depths(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray, depths: np.ndarray
) -> np.ndarray:
    """Depths that fit a starting pose: two steps of Newton's method, each cell by itself."""
    for _ in range(2):
        linear = _linearise(observations, rotation, translation, depths)
        information = np.sum(linear.by_depth**2, axis=1) + 1 / observations.variance
        gradient = np.sum(linear.by_depth * linear.residual, axis=1)
        gradient = gradient + (depths - observations.prior) / observations.variance
        depths = depths - gradient / information
    return depths


def _cost(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray, depths: np.ndarray
) -> float:
    point = observations.rays0 @ rotation.T + depths[:, None] * translation
    z = np.maximum(point[:, 2], _LEAST_DEPTH)
    error = whitened(observations.whitening, point[:, :2] / z[:, None] - observations.rays1[:, :2])
    prior = (depths - observations.prior) ** 2 / observations.variance
    return float(np.sum(huber_cost(np.linalg.norm(error, axis=1))) + np.sum(prior))


def projection_jacobian(projected: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(N, 2, 3) derivative of (x / z, y / z), ``projected`` (N, 2), by the point."""
    jacobian = np.zeros((len(z), 2, 3))
    jacobian[:, 0, 0] = jacobian[:, 1, 1] = 1 / z
    jacobian[:, :, 2] = -projected / z[:, None]
    return jacobian


def whitened(whitening: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Errors (N, 2) in standard deviations."""
    return np.einsum('nij,nj->ni', whitening, error)


def huber_cost(error: np.ndarray) -> np.ndarray:
    """Huber's cost, (N,), of errors (N,) in standard deviations; twice as usual, as a square."""
    return np.where(error < _HUBER, error**2, 2 * _HUBER * error - _HUBER**2)


def huber_weights(error: np.ndarray) -> np.ndarray:
    """Weights (N,) that make a least-squares step on Huber's cost."""
    return np.minimum(1.0, _HUBER / np.maximum(error, 1e-12))


def directions_keeping_length(translation: np.ndarray) -> np.ndarray:
    """Basis (6, 5) of the steps (translation, rotation) that keep the translation's length."""
    across = np.linalg.svd(translation[None])[2][1:]  # (2, 3)
    basis = np.zeros((6, 5))
    basis[:3, :2], basis[3:, 2:] = across.T, np.eye(3)
    return basis


def _kept_length(moved: np.ndarray, before: np.ndarray, fixed: bool) -> np.ndarray:
    return moved * (np.linalg.norm(before) / np.linalg.norm(moved)) if fixed else moved
