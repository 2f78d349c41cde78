# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A window of keyframes refined together: their poses and their cells' depths.

A cell of keyframe a, with inverse depth rho along the ray x, is seen in keyframe j in the
direction of R_j^T (R_a x + rho (p_a - p_j)). All poses (R, p), world from keyframe, and all rho
are adjusted so that this is where the matches lie (Triggs et al., Bundle Adjustment, 2000). Every
depth is seen by few poses, so the depths are eliminated first and a small system is left. The
depths filtered from the frames between two keyframes are a weak prior.

Estimating depth and motion in turn, each with the other taken as exact, makes the scale shrink
where parallax is small (regression dilution). Estimating them together does not.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import cv2
import numpy as np
from scipy.linalg import block_diag

from loftr_vo.geometry.reprojection import Linearised, linearise, summed_products
from loftr_vo.geometry.rigid_motion import transform
from loftr_vo.geometry.robust_cost import huber_cost, huber_weights
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.tuning import TUNING
from loftr_vo.odometry.map.window import (
    FurtherTerms,
    NormalEquations,
    WindowState,
    window_track,
)
from loftr_vo.odometry.pose.fixed_length import directions_keeping_length, of_length


def refine_window(
    window: Sequence[Keyframe], fixed: int, terms: FurtherTerms | None = None
) -> None:
    """Adjust poses and depths of keyframes by the links between them, in place.

    Args:
        window: keyframes, the oldest first.
        fixed: number of the oldest that keep their pose; at least one. With only one, the length
            of the first baseline is kept too, since nothing else fixes the scale.
        terms: of the poses, beside the links.
    """
    for _ in refine_window_in_steps(window, fixed, terms):
        pass


def refine_window_in_steps(
    window: Sequence[Keyframe], fixed: int, terms: FurtherTerms | None = None
) -> Generator[bool, None, bool]:
    """Do the same, an iteration each time.

    Meanwhile depths may be updated, which is kept, but no pose of the window may be changed.

    Returns:
        Whether the further terms agree with the links; where they do not, they are left out.
    """
    problem = _Problem(window, fixed, terms)
    yield from problem.solve()
    agreed = not problem.contradicted
    if not agreed:
        problem = _Problem(window, fixed, None)
        yield from problem.solve()
    problem.write_back()
    return agreed


class _Problem:
    def __init__(self, window: Sequence[Keyframe], fixed: int, terms: FurtherTerms | None) -> None:
        self.window = window
        self.fixed = fixed
        self.free = len(window) - fixed
        number = {id(keyframe): index for index, keyframe in enumerate(window)}
        self.tracks = [
            window_track(number[id(keyframe)], keyframe.rays, number[id(link.other)], link)
            for keyframe in window
            for link in keyframe.links
            if id(link.other) in number
        ]
        self.state = WindowState(
            [keyframe.pose[:3, :3].copy() for keyframe in window],
            [keyframe.pose[:3, 3].copy() for keyframe in window],
            [keyframe.inverse_depth.copy() for keyframe in window],
            terms,
        )
        # A step makes a new state, so this one stays as it is.
        self._depths_before = self.state.depths
        self._linear = self._linearised(self.state)

    def solve(self) -> Iterator[bool]:
        """Levenberg-Marquardt, an iteration each time."""
        cost, damping = self._cost(self.state, self._linear), 1e-4
        for _ in range(TUNING.window_iterations):
            system = self._normal_equations()
            candidate = self._stepped(system, damping)
            linear = self._linearised(candidate)
            candidate_cost = self._cost(candidate, linear)
            if candidate_cost < cost:
                converged = cost - candidate_cost < TUNING.window_convergence * cost
                self.state, self._linear, cost = candidate, linear, candidate_cost
                damping = max(damping / 10, 1e-8)
                if converged:
                    return
            else:
                damping *= 10
                if damping > 1e2:
                    return
            yield True

    @property
    def contradicted(self) -> bool:
        """Whether the further terms contradict the links."""
        state = self.state
        return state.terms is not None and state.terms.contradicts(
            state.rotations, state.positions
        )

    def write_back(self) -> None:
        """Write poses, depths and variances to the keyframes."""
        system = self._normal_equations()
        reduced, _ = system.without_depths()
        basis = self._free_directions()
        covariance = basis @ np.linalg.pinv(basis.T @ reduced @ basis, hermitian=True) @ basis.T
        for index, keyframe in enumerate(self.window):
            if index >= self.fixed:
                keyframe.pose = transform(self.state.rotations[index], self.state.positions[index])
            seen = self._seen(index)
            scaled = system.pose_depth[index][:, seen] / system.depth_depth[index][seen]
            # Not by BLAS, see ``summed_products``.
            by_pose = np.sum(scaled * np.einsum('ij,jc->ic', covariance, scaled), axis=0)
            updated = keyframe.inverse_depth[seen] - self._depths_before[index][seen]
            keyframe.inverse_depth[seen] = self.state.depths[index][seen] + updated
            keyframe.variance[seen] = 1 / system.depth_depth[index][seen] + by_pose

    def _seen(self, index: int) -> np.ndarray:
        cells = [track.cells for track in self.tracks if track.anchor == index]
        return np.unique(np.concatenate(cells)) if cells else np.empty(0, int)

    def _normal_equations(self) -> NormalEquations:
        size = 6 * self.free
        hessian, gradient = np.zeros((size, size)), np.zeros(size)
        pose_depth = [np.zeros((size, len(depths))) for depths in self.state.depths]
        depth_depth = [1 / keyframe.filtered_variance for keyframe in self.window]
        depth_gradient = [
            (depths - keyframe.filtered_depth) / keyframe.filtered_variance
            for depths, keyframe in zip(self.state.depths, self.window, strict=True)
        ]
        for track, linear in zip(self.tracks, self._linear, strict=True):
            anchor, other, cells = track.anchor, track.other, track.cells
            weight = huber_weights(linear.error)
            depth_depth[anchor][cells] += weight * np.sum(linear.by_depth**2, axis=0)
            depth_gradient[anchor][cells] += weight * np.sum(
                linear.by_depth * linear.residual, axis=0
            )
            weighted = linear.by_pose * weight
            flat = weighted.reshape(6, -1)
            by_relative = summed_products(flat, linear.by_pose.reshape(6, -1))
            slope = flat @ linear.residual.ravel()
            with_depth = np.sum(weighted * linear.by_depth, axis=1)
            blocks = [
                (slice(6 * (index - self.fixed), 6 * (index - self.fixed) + 6), by_pose)
                for index, by_pose in zip(
                    (anchor, other), self.state.relative_by_poses(anchor, other), strict=True
                )
                if index >= self.fixed
            ]
            for rows, by_pose in blocks:
                gradient[rows] += by_pose.T @ slope
                pose_depth[anchor][rows, cells] += by_pose.T @ with_depth
                for columns, by_second in blocks:
                    hessian[rows, columns] += by_pose.T @ by_relative @ by_second
        if self.state.terms is not None:
            further = self.state.terms.reduced(self.state.rotations, self.state.positions)
            hessian += further[0]
            gradient += further[1]
        return NormalEquations(hessian, gradient, pose_depth, depth_depth, depth_gradient)

    def _linearised(self, state: WindowState) -> list[Linearised]:
        """Residuals of all tracks and their derivatives."""
        return [
            linearise(
                track.match_arrays,
                *state.relative(track.anchor, track.other),
                state.depths[track.anchor][track.cells],
            )
            for track in self.tracks
        ]

    def _free_directions(self) -> np.ndarray:
        """Basis of the steps (6F, D); one direction less where a baseline keeps its length."""
        if self.fixed > 1:
            return np.eye(6 * self.free)
        return block_diag(
            directions_keeping_length(self.state.positions[1] - self.state.positions[0]),
            np.eye(6 * (self.free - 1)),
        )

    def _stepped(self, system: NormalEquations, damping: float) -> WindowState:
        reduced, right = system.without_depths()
        basis = self._free_directions()
        hessian = basis.T @ system.hessian @ basis
        damped = basis.T @ reduced @ basis + damping * np.diag(np.diag(hessian))
        # Least squares, since the pose of a keyframe without links is not determined.
        step = basis @ np.linalg.lstsq(damped, -basis.T @ right, rcond=None)[0]
        rotations, positions = list(self.state.rotations), list(self.state.positions)
        for index in range(self.fixed, len(self.window)):
            part = step[6 * (index - self.fixed) :][:6]
            rotations[index] = cv2.Rodrigues(part[3:])[0] @ rotations[index]
            positions[index] = positions[index] + part[:3]
        if self.fixed == 1 and self.free:
            # A step across the baseline changes its length in the second order.
            first, before = positions[0], self.state.positions[1]
            positions[1] = first + of_length(positions[1] - first, before - first)
        depths = [
            value - (slope + step @ block) / diagonal
            for value, slope, block, diagonal in zip(
                self.state.depths,
                system.depth_gradient,
                system.pose_depth,
                system.depth_depth,
                strict=True,
            )
        ]
        terms = self.state.terms
        if terms is not None:
            terms = terms.stepped(self.state.rotations, self.state.positions, step)
        return WindowState(rotations, positions, depths, terms)

    def _cost(self, state: WindowState, linear: list[Linearised]) -> float:
        total = sum(float(huber_cost(each.error).sum()) for each in linear)
        for depths, keyframe in zip(state.depths, self.window, strict=True):
            squared = (depths - keyframe.filtered_depth) ** 2
            total += float(np.sum(squared / keyframe.filtered_variance))
        if state.terms is not None:
            total += state.terms.cost(state.rotations, state.positions)
        return total
