# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of a frame against its keyframe: one small robust solve over pose and depths.

Every matched cell has an inverse depth rho with a Gaussian prior. A cell that was never
triangulated has so wide a prior that only its epipolar error counts; a well-known one acts as in
PnP. One cost has both:

    sum_i  cauchy(|W_i (pi(R x_i + rho_i t) - y_i)|^2)  +  cauchy((rho_i - prior_i)^2 / variance_i)

Match and prior can each be wrong: at an edge a cell may have the depth of the surface behind it.
So each has its own robust cost, and a cell with a wrong depth keeps its epipolar error.

The depths are independent of each other given the pose. So their part of the normal equations is
diagonal and is eliminated (Schur complement; Triggs et al., Bundle Adjustment, 2000, section 6.1),
and a 6 x 6 system is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from loftr_vo.geometry.linear_solve import pseudo_inverse
from loftr_vo.geometry.reprojection import (
    squared_norms,
)
from loftr_vo.geometry.robust_cost import (
    RAYLEIGH_MEDIAN,
    upper_median,
)
from loftr_vo.odometry.pose.depth_refinement import RefinedDepth, best_depths, refine_depth
from loftr_vo.odometry.pose.fixed_length import directions_keeping_length, of_length
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_problem import Guess, damped_step, guess_at, reduced_at
from loftr_vo.odometry.pose.tuning import TUNING


@dataclass(frozen=True, eq=False)
class RefinedPose:
    """The solution.

    Attributes:
        rotation: (3, 3), frame from keyframe.
        translation: (3,), frame from keyframe.
        covariance: (6, 6) of (translation, rotation), a left perturbation of the rotation.
        inverse_depth: (N,) posterior mean.
        depth_variance: (N,) posterior variance.
        depth_by_pose: (6, N), derivatives of the inverse depths by the pose.
        error: (N,) length of the reprojection error, in standard deviations of the match.
        distance: (N,) the same in pixels.
        cost: the robust cost reached.
        by_matches: (4, 4) the motion by matches alone, where a gyroscope is part of it, else None.
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
    by_matches: np.ndarray | None = None


def better_start(
    observations: Observations, *starts: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the motion (rotation and translation) of the least robust cost."""

    def cost(start: tuple[np.ndarray, np.ndarray]) -> float:
        return guess_at(observations, *start, best_depths(observations, *start)[0]).cost

    return min(starts, key=cost)


def refine_pose(
    observations: Observations,
    rotation: np.ndarray,
    translation: np.ndarray,
    *,
    fixed_length: bool = False,
    held: bool = False,
) -> RefinedPose:
    """Refine pose and depths by Levenberg-Marquardt.

    Args:
        observations: the matches; not fewer than six.
        rotation: (3, 3) to start from, frame from keyframe.
        translation: (3,) to start from.
        fixed_length: keep the length of the translation, where no known depth gives it.
        held: keep the pose, and compute the depths only.
    """
    depths, _ = best_depths(observations, rotation, translation)
    guess = guess_at(observations, rotation, translation, depths)
    damping = 1e-4
    for _ in range(0 if held else TUNING.pose_iterations):
        reduced = reduced_at(observations, guess)
        free = directions_keeping_length(guess.translation) if fixed_length else None
        step, gain = damped_step(reduced, damping, free)
        moved = guess.translation + step[:3]
        candidate = guess_at(
            observations,
            cv2.Rodrigues(step[3:])[0] @ guess.rotation,
            of_length(moved, guess.translation) if fixed_length else moved,
            guess.depths + reduced.depths_after(step),
        )
        if candidate.cost < guess.cost:
            guess = candidate
            damping = max(damping / 10, 1e-8)
        else:
            damping *= 10
        if gain < TUNING.last_step_sigmas**2 or damping > 1e3:
            break
    return _solution(observations, guess, fixed_length)


def _solution(observations: Observations, guess: Guess, fixed_length: bool) -> RefinedPose:
    linear = guess.linear
    reduced = reduced_at(observations, guess)
    hessian = reduced.hessian
    error = np.sqrt(guess.squared)
    # Residuals larger than their standard deviations: the matches are noisier than assumed.
    excess = max(1.0, (upper_median(error) / RAYLEIGH_MEDIAN) ** 2)
    if fixed_length:
        free = directions_keeping_length(guess.translation)
        covariance = free @ pseudo_inverse(free.T @ hessian @ free) @ free.T
    else:
        covariance = pseudo_inverse(hessian)
    depth_depth = squared_norms(linear.by_depth) + observations.information
    depth_by_pose = reduced.pose_depth / (-reduced.weight * depth_depth)
    by_pose = np.einsum('kn,kn->n', depth_by_pose, covariance @ depth_by_pose)
    return RefinedPose(
        guess.rotation,
        guess.translation,
        covariance * excess,
        guess.depths,
        excess * (1 / depth_depth + by_pose),
        depth_by_pose,
        error,
        linear.distance,
        guess.cost,
    )


def complete_depths(
    observations: Observations, chosen: np.ndarray, refined: RefinedPose
) -> RefinedPose:
    """Add depths and errors of all observations to a pose from ``chosen`` ones (indices)."""
    others = np.ones(len(observations.prior), bool)
    others[chosen] = False
    left = np.flatnonzero(others)
    depth = refine_depth(observations.select(left), refined.rotation, refined.translation)

    def joined(of_chosen: np.ndarray, of_others: np.ndarray) -> np.ndarray:
        both = np.empty(len(others))
        both[chosen], both[left] = of_chosen, of_others
        return both

    return replace(
        refined,
        inverse_depth=joined(refined.inverse_depth, depth.inverse_depth),
        depth_variance=joined(refined.depth_variance, depth.depth_variance),
        error=joined(refined.error, depth.error),
        distance=joined(refined.distance, depth.distance),
    )


def inlier_mask(refined: RefinedPose | RefinedDepth, threshold: float) -> np.ndarray:
    """Inliers (N,) bool: near their projection, in pixels or in standard deviations.

    Args:
        refined: the solution.
        threshold: distance in pixels within which any match is an inlier.
    """
    behind = refined.inverse_depth < -TUNING.behind_sigmas * np.sqrt(refined.depth_variance)
    near = (refined.distance < threshold) | (refined.error < TUNING.inlier_sigmas)
    return near & ~behind
