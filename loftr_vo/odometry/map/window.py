# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The variables, the observations and the normal equations of a window of keyframes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.reprojection import (
    MatchArrays,
    summed_products,
)
from loftr_vo.geometry.rigid_motion import skew
from loftr_vo.odometry.map.keyframe import Link


@dataclass(eq=False)
class WindowState:
    """The variables: K poses, and the inverse depths of each keyframe's cells."""

    rotations: list[np.ndarray]
    positions: list[np.ndarray]
    depths: list[np.ndarray]

    def relative(self, anchor: int, other: int) -> tuple[np.ndarray, np.ndarray]:
        """Rotation (3, 3) and translation (3,), the other keyframe from the anchor."""
        back = self.rotations[other].T
        return (
            back @ self.rotations[anchor],
            back @ (self.positions[anchor] - self.positions[other]),
        )

    def relative_by_poses(self, anchor: int, other: int) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives (6, 6) of the relative motion by the anchor's and by the other's pose."""
        back = self.rotations[other].T
        baseline = skew(self.positions[anchor] - self.positions[other])
        by_anchor, by_other = np.zeros((2, 6, 6))
        by_anchor[:3, :3] = by_anchor[3:, 3:] = back
        by_other[:3, :3] = by_other[3:, 3:] = -back
        by_other[:3, 3:] = back @ baseline
        return by_anchor, by_other


@dataclass(frozen=True, eq=False)
class WindowTrack:
    """Cells of one keyframe of the window, the anchor, seen in another; see ``Link``."""

    anchor: int
    other: int
    cells: np.ndarray
    match_arrays: MatchArrays


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """Normal equations: of F free poses, and by keyframe of their C cells' depths."""

    hessian: np.ndarray  # (6F, 6F)
    gradient: np.ndarray  # (6F,)
    pose_depth: list[np.ndarray]  # (6F, C)
    depth_depth: list[np.ndarray]  # (C,)
    depth_gradient: list[np.ndarray]  # (C,)

    def without_depths(self) -> tuple[np.ndarray, np.ndarray]:
        """Hessian and gradient of the poses with the depths eliminated (Schur complement)."""
        hessian, gradient = self.hessian.copy(), self.gradient.copy()
        for block, diagonal, slope in zip(
            self.pose_depth, self.depth_depth, self.depth_gradient, strict=True
        ):
            scaled = block / diagonal
            gradient -= scaled @ slope
            hessian -= summed_products(scaled, block)
        return hessian, gradient


def window_track(anchor: int, rays: np.ndarray, other: int, link: Link) -> WindowTrack:
    """Return a link as a track; ``rays`` are those of all cells of the anchor.

    A cell at the rim of a lens can lose its ray with a new readout rotation.
    """
    usable = np.flatnonzero(np.isfinite(rays[link.cells, 0]))
    cells = link.cells[usable]
    match_arrays = MatchArrays.of(rays[cells], link.rays1[usable], link.whitening[usable])
    return WindowTrack(anchor, other, cells, match_arrays)
