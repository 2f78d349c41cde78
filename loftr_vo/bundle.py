# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A window of keyframes refined together: their poses and their cells' depths.

A cell of keyframe a, with inverse depth rho along the ray x, is seen in keyframe j in the
direction of R_j^T (R_a x + rho (p_a - p_j)). All poses (R, p), world from keyframe, and all rho
are adjusted so that this is where the matches lie (Triggs et al., Bundle Adjustment, 2000). Every
depth is seen by few poses, so the depths are eliminated first and what is left is small. What the
frames between two keyframes taught of depth comes in as a weak prior.

Estimating depth and motion one after the other, each taking the other as exact, makes the scale
shrink where parallax is small (regression dilution); estimating them together does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.linalg import block_diag

from loftr_vo.geometry import transform
from loftr_vo.keyframe import Keyframe, Link
from loftr_vo.pose_refinement import (
    directions_keeping_length,
    huber_cost,
    huber_weights,
    projection_jacobian,
    whitened,
)

_ITERATIONS = 8
_CONVERGED = 1e-4


@dataclass
class _State:
    """What is adjusted: K poses and the inverse depths of each keyframe's cells."""

    rotations: list[np.ndarray]
    positions: list[np.ndarray]
    depths: list[np.ndarray]


@dataclass(frozen=True)
class _Linearised:
    """One link's residuals (M, 2) and derivatives, in standard deviations of the match."""

    residual: np.ndarray
    by_anchor: np.ndarray  # (M, 2, 6), position then rotation
    by_other: np.ndarray  # (M, 2, 6)
    by_depth: np.ndarray  # (M, 2)


@dataclass(frozen=True)
class _System:
    """Normal equations: of F free poses, and by keyframe of their C cells' depths."""

    hessian: np.ndarray  # (6F, 6F)
    gradient: np.ndarray  # (6F,)
    pose_depth: list[np.ndarray]  # (C, 6F)
    depth_depth: list[np.ndarray]  # (C,)
    depth_gradient: list[np.ndarray]  # (C,)

    def without_depths(self) -> tuple[np.ndarray, np.ndarray]:
        """Hessian and gradient of the poses once the depths are eliminated."""
        hessian, gradient = self.hessian.copy(), self.gradient.copy()
        for block, diagonal, slope in zip(
            self.pose_depth, self.depth_depth, self.depth_gradient, strict=True
        ):
            scaled = block / diagonal[:, None]
            hessian -= scaled.T @ block
            gradient -= scaled.T @ slope
        return hessian, gradient


def refine_window(window: Sequence[Keyframe], fixed: int) -> None:
    """Adjust poses and depths of keyframes by the links between them, in place.

    Args:
        window: keyframes, the oldest first.
        fixed: how many of the oldest keep their pose; at least one. With only one, the length of
            the first baseline is kept too, since nothing else holds the scale.
    """
    problem = _Problem(window, fixed)
    problem.solve()
    problem.write_back()


class _Problem:
    def __init__(self, window: Sequence[Keyframe], fixed: int) -> None:
        self.window = window
        self.fixed = fixed
        self.free = len(window) - fixed
        number = {id(keyframe): index for index, keyframe in enumerate(window)}
        self.links: list[tuple[int, int, Link]] = [
            (number[id(keyframe)], number[id(link.other)], link)
            for keyframe in window
            for link in keyframe.links
            if id(link.other) in number
        ]
        self.state = _State(
            [keyframe.pose[:3, :3].copy() for keyframe in window],
            [keyframe.pose[:3, 3].copy() for keyframe in window],
            [keyframe.inverse_depth.copy() for keyframe in window],
        )

    def solve(self) -> None:
        """Levenberg-Marquardt."""
        cost, damping = self._cost(self.state), 1e-4
        for _ in range(_ITERATIONS):
            system = self._normal_equations()
            candidate = self._stepped(system, damping)
            candidate_cost = self._cost(candidate)
            if candidate_cost < cost:
                converged = cost - candidate_cost < _CONVERGED * cost
                self.state, cost = candidate, candidate_cost
                damping = max(damping / 10, 1e-8)
                if converged:
                    return
            else:
                damping *= 10
                if damping > 1e2:
                    return

    def write_back(self) -> None:
        """Give the keyframes their poses, depths and variances."""
        system = self._normal_equations()
        reduced, _ = system.without_depths()
        basis = self._free_directions()
        covariance = basis @ np.linalg.pinv(basis.T @ reduced @ basis, hermitian=True) @ basis.T
        for index, keyframe in enumerate(self.window):
            if index >= self.fixed:
                keyframe.pose = transform(self.state.rotations[index], self.state.positions[index])
            seen = self._seen(index)
            scaled = system.pose_depth[index][seen] / system.depth_depth[index][seen, None]
            by_pose = np.einsum('ci,ij,cj->c', scaled, covariance, scaled)
            keyframe.inverse_depth[seen] = self.state.depths[index][seen]
            keyframe.variance[seen] = 1 / system.depth_depth[index][seen] + by_pose

    def _seen(self, index: int) -> np.ndarray:
        cells = [link.cells for anchor, _, link in self.links if anchor == index]
        return np.unique(np.concatenate(cells)) if cells else np.empty(0, int)

    def _linearise(self, state: _State, anchor: int, other: int, link: Link) -> _Linearised:
        rho = state.depths[anchor][link.cells]
        turned = self.window[anchor].rays[link.cells] @ state.rotations[anchor].T
        baseline = state.positions[anchor] - state.positions[other]
        in_world = turned + rho[:, None] * baseline
        back = state.rotations[other].T
        point = in_world @ back.T
        z = np.maximum(point[:, 2], 1e-3)
        projected = point[:, :2] / z[:, None]
        by_world = link.whitening @ projection_jacobian(projected, z) @ back
        by_position = by_world * rho[:, None, None]
        return _Linearised(
            whitened(link.whitening, projected - link.rays1[:, :2]),
            np.concatenate([by_position, np.cross(turned[:, None], by_world)], axis=2),
            np.concatenate([-by_position, -np.cross(in_world[:, None], by_world)], axis=2),
            by_world @ baseline,
        )

    def _normal_equations(self) -> _System:
        size = 6 * self.free
        hessian, gradient = np.zeros((size, size)), np.zeros(size)
        pose_depth = [np.zeros((len(depths), size)) for depths in self.state.depths]
        depth_depth = [1 / keyframe.learned_variance for keyframe in self.window]
        depth_gradient = [
            (depths - keyframe.learned_depth) / keyframe.learned_variance
            for depths, keyframe in zip(self.state.depths, self.window, strict=True)
        ]
        for anchor, other, link in self.links:
            linear = self._linearise(self.state, anchor, other, link)
            weight = huber_weights(np.linalg.norm(linear.residual, axis=1))
            cells = link.cells
            depth_depth[anchor][cells] += weight * np.sum(linear.by_depth**2, axis=1)
            depth_gradient[anchor][cells] += weight * np.sum(
                linear.by_depth * linear.residual, axis=1
            )
            blocks = [
                (slice(6 * (index - self.fixed), 6 * (index - self.fixed) + 6), by_pose)
                for index, by_pose in ((anchor, linear.by_anchor), (other, linear.by_other))
                if index >= self.fixed
            ]
            for rows, by_pose in blocks:
                weighted = by_pose * weight[:, None, None]
                gradient[rows] += np.einsum('mrk,mr->k', weighted, linear.residual)
                pose_depth[anchor][cells, rows] += np.einsum(
                    'mrk,mr->mk', weighted, linear.by_depth
                )
                for columns, by_second in blocks:
                    hessian[rows, columns] += np.tensordot(
                        weighted, by_second, axes=([0, 1], [0, 1])
                    )
        return _System(hessian, gradient, pose_depth, depth_depth, depth_gradient)

    def _free_directions(self) -> np.ndarray:
        """Basis of the steps (6F, D); one direction less where a baseline keeps its length."""
        if self.fixed > 1:
            return np.eye(6 * self.free)
        return block_diag(
            directions_keeping_length(self.state.positions[1] - self.state.positions[0]),
            np.eye(6 * (self.free - 1)),
        )

    def _stepped(self, system: _System, damping: float) -> _State:
        reduced, right = system.without_depths()
        basis = self._free_directions()
        hessian = basis.T @ system.hessian @ basis
        damped = basis.T @ reduced @ basis + damping * np.diag(np.diag(hessian))
        # Least squares, since a keyframe without links leaves its pose open.
        step = basis @ np.linalg.lstsq(damped, -basis.T @ right, rcond=None)[0]
        rotations, positions = list(self.state.rotations), list(self.state.positions)
        for index in range(self.fixed, len(self.window)):
            part = step[6 * (index - self.fixed) :][:6]
            rotations[index] = cv2.Rodrigues(part[3:])[0] @ rotations[index]
            positions[index] = positions[index] + part[:3]
        depths = [
            value - (slope + block @ step) / diagonal
            for value, slope, block, diagonal in zip(
                self.state.depths,
                system.depth_gradient,
                system.pose_depth,
                system.depth_depth,
                strict=True,
            )
        ]
        return _State(rotations, positions, depths)

    def _cost(self, state: _State) -> float:
        total = 0.0
        for anchor, other, link in self.links:
            linear = self._linearise(state, anchor, other, link)
            total += float(huber_cost(np.linalg.norm(linear.residual, axis=1)).sum())
        for depths, keyframe in zip(state.depths, self.window, strict=True):
            squared = (depths - keyframe.learned_depth) ** 2
            total += float(np.sum(squared / keyframe.learned_variance))
        return total
