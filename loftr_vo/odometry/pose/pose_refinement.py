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

from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.linear_solve import solve
from loftr_vo.geometry.reprojection import (
    DepthResidual,
    Linearised,
    MatchArrays,
    linearise,
    summed_products,
    vector_norms,
)
from loftr_vo.geometry.robust_cost import (
    NORMAL_MEDIAN,
    RAYLEIGH_MEDIAN,
    RAYLEIGH_MEDIAN_SQUARED,
    cauchy_cost,
    cauchy_weights,
    upper_median,
)
from loftr_vo.odometry.pose.tuning import TUNING

_SINGULAR = 1e-14  # of the largest eigenvalue; below is rounding


@dataclass(frozen=True, eq=False)
class Observations:
    """N cells of the keyframe seen in a frame.

    Attributes:
        rays0: (N, 3) rays in the keyframe, z = 1.
        rays1: (N, 3) rays in the frame, z = 1.
        whitening: (N, 2, 2), turns an error of rays1 in units of z = 1 into standard deviations.
        prior: (N,) inverse depth in the keyframe.
        variance: (N,) of the prior.
        by_pixel0: (N, 2, 2), derivatives of rays0's x and y by the keyframe's pixel. By default a
            pixel is one unit of z = 1.
        by_pixel1: (N, 2, 2), the same of rays1 and the frame.
    """

    rays0: np.ndarray
    rays1: np.ndarray
    whitening: np.ndarray
    prior: np.ndarray
    variance: np.ndarray
    by_pixel0: np.ndarray = field(default_factory=lambda: np.eye(2))
    by_pixel1: np.ndarray = field(default_factory=lambda: np.eye(2))

    def __post_init__(self) -> None:
        for name in ('by_pixel0', 'by_pixel1'):
            whole = np.broadcast_to(getattr(self, name), (len(self.rays0), 2, 2))
            object.__setattr__(self, name, whole)

    @property
    def by_pixel(self) -> tuple[np.ndarray, np.ndarray]:
        """``by_pixel0`` and ``by_pixel1``, as ``geometry`` takes them."""
        return self.by_pixel0, self.by_pixel1

    @cached_property
    def information(self) -> np.ndarray:
        """(N,) of the prior, the inverse of its variance."""
        information: np.ndarray = 1 / self.variance
        return information

    @cached_property
    def match_arrays(self) -> MatchArrays:
        """The matches, arranged for computing."""
        return MatchArrays.of(self.rays0, self.rays1, self.whitening, self.by_pixel1)

    def with_inflated_noise(self, times: float) -> Observations:
        """Return the same with the matches' variance so many times as large."""
        if times == 1:
            return self  # as arranged as it is
        return replace(self, whitening=self.whitening / np.sqrt(times))

    def select(self, chosen: np.ndarray) -> Observations:
        """Return those that the mask or the indices ``chosen`` name."""
        # ``take`` needs a quarter of the time that indexing does where there are more axes.
        indices = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return Observations(
            self.rays0.take(indices, axis=0),
            self.rays1.take(indices, axis=0),
            self.whitening.take(indices, axis=0),
            self.prior.take(indices),
            self.variance.take(indices),
            self.by_pixel0.take(indices, axis=0),
            self.by_pixel1.take(indices, axis=0),
        )


@dataclass(frozen=True, eq=False)
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
        distance: (N,) the same in pixels.
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
        return _guess(observations, *start, _best_depths(observations, *start)[0]).cost

    return min(starts, key=cost)


@dataclass(frozen=True, eq=False)
class _Guess:
    """A pose with depths, and the problem linearised there.

    Attributes:
        squared: (N,) squared length of the residuals.
        off: (N,) by how much the depths are more than the prior.
        off_squared: (N,) the same, squared and in variances of the prior.
    """

    rotation: np.ndarray
    translation: np.ndarray
    depths: np.ndarray
    linear: Linearised
    squared: np.ndarray
    off: np.ndarray
    off_squared: np.ndarray
    cost: float


@dataclass(frozen=True, eq=False)
class _Reduced:
    """Normal equations of the pose with the depths eliminated, and what gives these back.

    Attributes:
        hessian: (6, 6).
        gradient: (6,).
        weight: (N,) of the squared residuals.
        pose_depth, depth_depth, depth_gradient: (6, N), (N,), (N,), what was eliminated.
    """

    hessian: np.ndarray
    gradient: np.ndarray
    weight: np.ndarray
    pose_depth: np.ndarray
    depth_depth: np.ndarray
    depth_gradient: np.ndarray

    def depths_after(self, step: np.ndarray) -> np.ndarray:
        """Return by how much the depths (N,) change with a step (6,) of the pose."""
        return -(self.depth_gradient + step @ self.pose_depth) / self.depth_depth


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
    depths, _ = _best_depths(observations, rotation, translation)
    guess = _guess(observations, rotation, translation, depths)
    damping = 1e-4
    for _ in range(0 if held else TUNING.pose_iterations):
        reduced = _reduced(observations, guess)
        free = directions_keeping_length(guess.translation) if fixed_length else None
        step, gain = _damped_step(reduced, damping, free)
        moved = guess.translation + step[:3]
        candidate = _guess(
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


def _damped_step(
    reduced: _Reduced, damping: float, free: np.ndarray | None
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


def approach_by_depth(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the pose from cells of known depth, from as far as a camera turns between two frames.

    Gauss-Newton on where the cells are seen, their depths taken as they are. Errors count up to
    their own spread, so that most of them count from afar and outliers do not when near. What is
    left to ``refine_pose`` is to let the depths move.

    Args:
        observations: the matches; not fewer than six.
        rotation: (3, 3) to start from, frame from keyframe.
        translation: (3,) to start from.

    Returns:
        Rotation and translation.
    """
    for _ in range(TUNING.approach_iterations):
        linear = linearise(observations.match_arrays, rotation, translation, observations.prior)
        weighted = linear.by_pose * approaching_weights(linear, observations.variance)
        flat = weighted.reshape(6, -1)
        hessian = summed_products(flat, linear.by_pose.reshape(6, -1))
        gradient = flat @ linear.residual.ravel()
        step = -solve(hessian, gradient)
        rotation, translation = cv2.Rodrigues(step[3:])[0] @ rotation, translation + step[:3]
        if -step @ gradient < TUNING.last_step_sigmas**2:
            break
    return rotation, translation


def approaching_weights(linear: Linearised, depth_variance: np.ndarray) -> np.ndarray:
    """Weights (N,) of squared residuals by which errors count up to their own spread.

    Args:
        linear: the problem, linearised at depths that are taken as they are.
        depth_variance: (N,), of these.
    """
    # An unsure depth moves the place along by_depth; this takes it for an error all around.
    variance = 1 + depth_variance * _squared(linear.by_depth)
    squared = _squared(linear.residual) / variance
    spread = max(1.0, upper_median(squared) / RAYLEIGH_MEDIAN_SQUARED)
    weights: np.ndarray = cauchy_weights(squared / spread) / (variance * spread)
    return weights


@dataclass(frozen=True, eq=False)
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
    depths, along = _best_depths(observations, rotation, translation)
    residual, by_depth = along.at(depths)
    information = _squared(by_depth) + observations.information
    return RefinedDepth(depths, 1 / information, vector_norms(residual), along.distance(depths))


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
    depths, along = _best_depths(observations, rotation, translation)
    residual, by_depth = along.at(depths)
    across = by_depth[0] * residual[1] - by_depth[1] * residual[0]
    across /= np.maximum(vector_norms(by_depth), 1e-12)
    return upper_median(np.abs(across)) / NORMAL_MEDIAN


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
    for _ in range(TUNING.rotation_iterations):
        linear = linearise(observations.match_arrays, rotation, nowhere, far)
        weight = cauchy_weights(_squared(linear.residual))
        covariance_by_readout_rotation = (linear.by_pose[3:] * weight).reshape(3, -1)
        hessian = summed_products(
            covariance_by_readout_rotation, linear.by_pose[3:].reshape(3, -1)
        )
        step = -solve(hessian, covariance_by_readout_rotation @ linear.residual.ravel())
        rotation = cv2.Rodrigues(step)[0] @ rotation
    return rotation


def inlier_mask(refined: RefinedPose | RefinedDepth, threshold: float) -> np.ndarray:
    """Inliers (N,) bool: near where they should be, for what they say of themselves.

    Args:
        refined: the solution.
        threshold: distance, in pixels, within which any match agrees.
    """
    behind = refined.inverse_depth < -TUNING.behind_sigmas * np.sqrt(refined.depth_variance)
    near = (refined.distance < threshold) | (refined.error < TUNING.inlier_sigmas)
    return near & ~behind


def _guess(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray, depths: np.ndarray
) -> _Guess:
    linear = linearise(observations.match_arrays, rotation, translation, depths)
    squared, off = _squared(linear.residual), depths - observations.prior
    off_squared = off * off * observations.information
    cost = float(cauchy_cost(squared).sum() + cauchy_cost(off_squared).sum())
    return _Guess(rotation, translation, depths, linear, squared, off, off_squared, cost)


def _solution(observations: Observations, guess: _Guess, fixed_length: bool) -> RefinedPose:
    linear = guess.linear
    reduced = _reduced(observations, guess)
    hessian = reduced.hessian
    error = np.sqrt(guess.squared)
    # Matches are not as good as they say where the residuals are larger than their sigma.
    excess = max(1.0, (upper_median(error) / RAYLEIGH_MEDIAN) ** 2)
    if fixed_length:
        free = directions_keeping_length(guess.translation)
        covariance = free @ pseudo_inverse(free.T @ hessian @ free) @ free.T
    else:
        covariance = pseudo_inverse(hessian)
    depth_depth = _squared(linear.by_depth) + observations.information
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


def _reduced(observations: Observations, guess: _Guess) -> _Reduced:
    linear, residual = guess.linear, guess.linear.residual
    weight = cauchy_weights(guess.squared)
    trust = cauchy_weights(guess.off_squared) * observations.information
    weighted = linear.by_pose * weight
    pose_depth = np.einsum('kan,an->kn', weighted, linear.by_depth)
    depth_depth = weight * _squared(linear.by_depth) + trust
    depth_gradient = weight * _inner(linear.by_depth, residual) + trust * guess.off
    scaled = pose_depth / depth_depth
    flat = weighted.reshape(6, -1)
    hessian = summed_products(flat, linear.by_pose.reshape(6, -1))
    hessian -= summed_products(scaled, pose_depth)
    gradient = flat @ residual.ravel() - scaled @ depth_gradient
    return _Reduced(hessian, gradient, weight, pose_depth, depth_depth, depth_gradient)


def _best_depths(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, DepthResidual]:
    """Depths (N,) that fit a pose: two steps of Newton's method, each cell by itself.

    Returns:
        The depths, and what they were found with.
    """
    depths, information = observations.prior, observations.information
    along = DepthResidual(observations.match_arrays, rotation, translation)
    for _ in range(2):
        residual, by_depth = along.at(depths)
        gradient = _inner(by_depth, residual) + (depths - observations.prior) * information
        depths = depths - gradient / (_squared(by_depth) + information)
    return depths, along


def pseudo_inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse (N, N) of a symmetric matrix, zero in the directions in which that is zero.

    numpy's ``pinv`` says the same, but takes three times as long for a small one.
    """
    values, vectors = np.linalg.eigh(matrix)
    size = np.abs(values)
    seen = size > _SINGULAR * size.max()
    inverted = np.divide(1.0, values, out=np.zeros(len(values)), where=seen)
    inverse: np.ndarray = (vectors * inverted) @ vectors.T
    return inverse


def _squared(vectors: np.ndarray) -> np.ndarray:
    """Squared length (N,) of vectors (2, N)."""
    squared: np.ndarray = vectors[0] ** 2 + vectors[1] ** 2
    return squared


def _inner(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Inner products (N,) of vectors (2, N) with others (2, N)."""
    inner: np.ndarray = vectors[0] * others[0] + vectors[1] * others[1]
    return inner


def directions_keeping_length(translation: np.ndarray) -> np.ndarray:
    """Basis (6, 5) of the steps (translation, rotation) that keep the translation's length."""
    across = np.linalg.svd(translation[None])[2][1:]  # (2, 3)
    basis = np.zeros((6, 5))
    basis[:3, :2], basis[3:, 2:] = across.T, np.eye(3)
    return basis


def of_length(vector: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return a vector (3,) made as long as another; as it is where it has no direction."""
    length = float(np.linalg.norm(vector))
    return vector * (float(np.linalg.norm(other)) / length) if length else vector


def complete_depths(
    observations: Observations, chosen: np.ndarray, refined: RefinedPose
) -> RefinedPose:
    """Give the pose found from ``chosen`` observations (indices) depths and errors for all."""
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


def distance_by_depth(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """Distance (N,) of each match from where its known depth has it, in pixels."""
    there = rotation @ observations.rays0.T + translation[:, None] * observations.prior
    error = there[:2] / np.maximum(there[2], 1e-6) - observations.rays1[:, :2].T
    return observations.match_arrays.pixels(error)
