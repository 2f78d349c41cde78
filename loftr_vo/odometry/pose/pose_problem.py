# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The least-squares problem of a pose and inverse depths: its cost and normal equations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.linear_solve import solve
from loftr_vo.geometry.reprojection import (
    Linearised,
    inner_products,
    linearise,
    squared_norms,
    summed_products,
)
from loftr_vo.geometry.robust_cost import (
    cauchy_cost,
    cauchy_weights,
)
from loftr_vo.odometry.pose.observations import Observations


@dataclass(frozen=True, eq=False)
class Guess:
    """A pose with depths, and the problem linearised there.

    Attributes:
        squared: (N,) squared length of the residuals.
        depth_error: (N,) inverse depths less their prior.
        depth_error_squared: (N,) the same, squared and in variances of the prior.
    """

    rotation: np.ndarray
    translation: np.ndarray
    depths: np.ndarray
    linear: Linearised
    squared: np.ndarray
    depth_error: np.ndarray
    depth_error_squared: np.ndarray
    cost: float


@dataclass(frozen=True, eq=False)
class Reduced:
    """Normal equations of the pose with the depths eliminated, and the eliminated blocks.

    Attributes:
        hessian: (6, 6).
        gradient: (6,).
        weight: (N,) of the squared residuals.
        pose_depth, depth_depth, depth_gradient: (6, N), (N,), (N,), the eliminated blocks.
    """

    hessian: np.ndarray
    gradient: np.ndarray
    weight: np.ndarray
    pose_depth: np.ndarray
    depth_depth: np.ndarray
    depth_gradient: np.ndarray

    def depths_after(self, step: np.ndarray) -> np.ndarray:
        """Return the change of the inverse depths (N,) with a step (6,) of the pose."""
        return -(self.depth_gradient + step @ self.pose_depth) / self.depth_depth


def damped_step(
    reduced: Reduced, damping: float, free: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """Step (6,) of the pose, and its squared length in standard deviations.

    Args:
        reduced: the normal equations.
        damping: Levenberg and Marquardt's, as a share of the diagonal.
        free: (6, M) basis of the steps that are allowed; None where all are.
    """
    hessian, gradient = reduced.hessian, reduced.gradient
    if free is not None:
        hessian, gradient = free.T @ hessian @ free, free.T @ gradient
    damped = hessian.copy()
    np.fill_diagonal(damped, (1 + damping) * hessian.diagonal())
    step = -solve(damped, gradient)
    return step if free is None else free @ step, float(-step @ gradient)


def guess_at(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray, depths: np.ndarray
) -> Guess:
    """Linearise the problem at a pose (R, t) and inverse depths (N,), and sum its robust cost."""
    linear = linearise(observations.match_arrays, rotation, translation, depths)
    squared, depth_error = squared_norms(linear.residual), depths - observations.prior
    depth_error_squared = depth_error * depth_error * observations.information
    cost = float(cauchy_cost(squared).sum() + cauchy_cost(depth_error_squared).sum())
    return Guess(
        rotation, translation, depths, linear, squared, depth_error, depth_error_squared, cost
    )


def reduced_at(observations: Observations, guess: Guess) -> Reduced:
    """Return the normal equations at a guess, with the depths eliminated (Schur complement)."""
    linear, residual = guess.linear, guess.linear.residual
    weight = cauchy_weights(guess.squared)
    trust = cauchy_weights(guess.depth_error_squared) * observations.information
    weighted = linear.by_pose * weight
    pose_depth = np.einsum('kan,an->kn', weighted, linear.by_depth)
    depth_depth = weight * squared_norms(linear.by_depth) + trust
    depth_gradient = weight * inner_products(linear.by_depth, residual) + trust * guess.depth_error
    scaled = pose_depth / depth_depth
    flat = weighted.reshape(6, -1)
    hessian = summed_products(flat, linear.by_pose.reshape(6, -1))
    hessian -= summed_products(scaled, pose_depth)
    gradient = flat @ residual.ravel() - scaled @ depth_gradient
    return Reduced(hessian, gradient, weight, pose_depth, depth_depth, depth_gradient)
