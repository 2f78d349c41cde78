# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of a frame against its keyframe: one small robust solve over pose and depths.

Every matched cell has an inverse depth rho with a Gaussian prior; a cell never triangulated has a
prior so wide that only its epipolar error counts, a well known one acts as in PnP. So one cost
holds both:

    sum_i  cauchy(|W_i (pi(R x_i + rho_i t) - y_i)|^2)  +  cauchy((rho_i - prior_i)^2 / variance_i)

Either may be the wrong one: at an edge a cell may have the depth of the surface behind it. Each is
under a robust cost of its own, so that a cell whose depth is wrong still has its epipolar error.

The depths do not see each other, so their part of the normal equations is diagonal and is
eliminated (Schur complement; Triggs et al., Bundle Adjustment, 2000, section 6.1): 6 x 6 is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.reprojection import (
    Linearised,
    cauchy_cost,
    cauchy_weights,
    lengths,
    linearise,
    residuals,
)

_ITERATIONS = 12
_TURN_ITERATIONS = 5
_LIKELY = 2.5  # standard deviations
_CONVERGED = 1e-4


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

    def less_sure(self, times: float) -> Observations:
        """Return the same with the matches' variance so many times as large."""
        return replace(self, whitening=self.whitening / np.sqrt(times))

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
        depth_variance: (N,) posterior variance.
        depth_by_pose: (6, N), how the inverse depths follow the pose.
        error: (N,) length of the reprojection error, in standard deviations of the match.
        distance: (N,) the same in units of z = 1.
        cost: the robust cost reached.
    """

    rotation: np.ndarray
    translation: np.ndarray
    covariance: np.ndarray
    inverse_depth: np.ndarray
    depth_variance: np.ndarray
    depth_by_pose: np.ndarray
    error: np.ndarray
    distance: np.ndarray
    cost: float


def better_start(
    observations: Observations, *starts: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Of several motions, rotation and translation, the one of the least robust cost."""

    def cost(start: tuple[np.ndarray, np.ndarray]) -> float:
        return _cost(observations, *start, _best_depths(observations, *start, observations.prior))

    return min(starts, key=cost)


def refine_pose(
    observations: Observations,
    rotation: np.ndarray,
    translation: np.ndarray,
    *,
    fixed_length: bool = False,
    held: bool = False,
) -> RefinedPose:
    """Levenberg-Marquardt from a start.

    Args:
        observations: the matches; not fewer than six.
        rotation: (3, 3) to start from, frame from keyframe.
        translation: (3,) to start from.
        fixed_length: hold the length of the translation, where no depth is known to give it.
        held: take the pose as it is, and find the depths only.
    """
    depths = _best_depths(observations, rotation, translation, observations.prior)
    cost = _cost(observations, rotation, translation, depths)
    damping = 1e-4
    for _ in range(0 if held else _ITERATIONS):
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
    information = np.sum(linear.by_depth**2, axis=0) + 1 / observations.variance
    return RefinedDepth(depths, 1 / information, linear.error, _distance(observations, linear))


def excess_variance(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> float:
    """How many times larger the variance of matches is than they say; at least one."""
    return max(1.0, deviation_across(observations, rotation, translation) ** 2)


def deviation_across(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> float:
    """Errors across the epipolar lines, in standard deviations of the matches; one if these hold.

    No depth can explain them away. Taken from their median, so that outliers do not count.
    """
    if not len(observations.prior):
        return 1.0
    depths = _best_depths(observations, rotation, translation, observations.prior)
    linear = _linearise(observations, rotation, translation, depths)
    along = linear.by_depth / np.maximum(lengths(linear.by_depth), 1e-12)
    across = along[0] * linear.residual[1] - along[1] * linear.residual[0]
    # The median of a normal variable's absolute value is 0.6745 of its standard deviation.
    return float(np.median(np.abs(across)) / 0.6745)


def fit_rotation(observations: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3), frame from keyframe, of a camera that only turns.

    Returns:
        The rotation (Kabsch 1976), and the errors (N,) it leaves, in standard deviations.
    """
    rays0 = observations.rays0 / np.linalg.norm(observations.rays0, axis=1, keepdims=True)
    rays1 = observations.rays1 / np.linalg.norm(observations.rays1, axis=1, keepdims=True)
    rotation = Rotation.align_vectors(rays1, rays0)[0].as_matrix()
    return rotation, rotation_errors(observations, rotation)


def rotation_errors(observations: Observations, rotation: np.ndarray) -> np.ndarray:
    """Errors (N,), in standard deviations, that a turn (3, 3) of the camera leaves."""
    turned = observations.rays0 @ rotation.T
    error = turned[:, :2] / turned[:, 2:] - observations.rays1[:, :2]
    return np.linalg.norm(np.einsum('nij,nj->ni', observations.whitening, error), axis=1)


def refine_rotation(observations: Observations, rotation: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) of a camera that only turns, each match as sure as it is, robustly."""
    nowhere, far = np.zeros(3), np.zeros(len(observations.prior))
    for _ in range(_TURN_ITERATIONS):
        linear = _linearise(observations, rotation, nowhere, far)
        weight = cauchy_weights(linear.residual[0] ** 2 + linear.residual[1] ** 2)
        by_turn = (linear.by_pose[3:] * weight).reshape(3, -1)
        hessian = by_turn @ linear.by_pose[3:].reshape(3, -1).T
        step = -np.linalg.solve(hessian, by_turn @ linear.residual.ravel())
        rotation = cv2.Rodrigues(step)[0] @ rotation
    return rotation


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
    error = linear.error
    # Matches are not as good as they say where the residuals are larger than their sigma.
    excess = max(1.0, float(np.median(error) / 1.1774) ** 2)
    covariance = free @ np.linalg.pinv(free.T @ hessian @ free, hermitian=True) @ free.T
    depth_depth = np.sum(linear.by_depth**2, axis=0) + 1 / observations.variance
    depth_by_pose = -np.sum(linear.by_pose * linear.by_depth, axis=1) / depth_depth
    by_pose = np.sum(depth_by_pose * (covariance @ depth_by_pose), axis=0)
    return RefinedPose(
        rotation,
        translation,
        covariance * excess,
        depths,
        excess * (1 / depth_depth + by_pose),
        depth_by_pose,
        error,
        _distance(observations, linear),
        cost,
    )


def _distance(observations: Observations, linear: Linearised) -> np.ndarray:
    unwhitened = np.linalg.solve(observations.whitening, linear.residual.T[..., None])[..., 0]
    return np.linalg.norm(unwhitened, axis=1)


def _linearise(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray, depths: np.ndarray
) -> Linearised:
    return linearise(
        observations.rays0,
        observations.rays1,
        observations.whitening,
        rotation,
        translation,
        depths,
    )


def _reduced(observations: Observations, linear: Linearised, depths: np.ndarray):
    """Normal equations of the pose with the depths eliminated, and how to get these back."""
    weight = cauchy_weights(linear.residual[0] ** 2 + linear.residual[1] ** 2)
    trust = cauchy_weights((depths - observations.prior) ** 2 / observations.variance)
    by_pose, by_depth = linear.by_pose, linear.by_depth
    weighted = by_pose * weight
    pose_depth = np.sum(weighted * by_depth, axis=1)  # (6, N)
    depth_depth = weight * np.sum(by_depth**2, axis=0) + trust / observations.variance
    pull = trust * (depths - observations.prior) / observations.variance
    depth_gradient = weight * np.sum(by_depth * linear.residual, axis=0) + pull
    scaled = pose_depth / depth_depth
    flat = weighted.reshape(6, -1)
    hessian = flat @ by_pose.reshape(6, -1).T - scaled @ pose_depth.T
    gradient = flat @ linear.residual.ravel() - scaled @ depth_gradient

    def eliminate(step: np.ndarray) -> np.ndarray:
        return -(depth_gradient + step @ pose_depth) / depth_depth

    return hessian, gradient, eliminate


def _best_depths(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray, depths: np.ndarray
) -> np.ndarray:
    """Depths that fit a starting pose: two steps of Newton's method, each cell by itself."""
    for _ in range(2):
        linear = _linearise(observations, rotation, translation, depths)
        information = np.sum(linear.by_depth**2, axis=0) + 1 / observations.variance
        gradient = np.sum(linear.by_depth * linear.residual, axis=0)
        gradient += (depths - observations.prior) / observations.variance
        depths = depths - gradient / information
    return depths


def _cost(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray, depths: np.ndarray
) -> float:
    residual = residuals(
        observations.rays0,
        observations.rays1,
        observations.whitening,
        rotation,
        translation,
        depths,
    )
    prior = (depths - observations.prior) ** 2 / observations.variance
    return float(
        np.sum(cauchy_cost(residual[0] ** 2 + residual[1] ** 2)) + np.sum(cauchy_cost(prior))
    )


def directions_keeping_length(translation: np.ndarray) -> np.ndarray:
    """Basis (6, 5) of the steps (translation, rotation) that keep the translation's length."""
    across = np.linalg.svd(translation[None])[2][1:]  # (2, 3)
    basis = np.zeros((6, 5))
    basis[:3, :2], basis[3:, 2:] = across.T, np.eye(3)
    return basis


def _kept_length(moved: np.ndarray, before: np.ndarray, fixed: bool) -> np.ndarray:
    return moved * (np.linalg.norm(before) / np.linalg.norm(moved)) if fixed else moved
