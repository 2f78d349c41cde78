# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The variables, the observations and the normal equations of a window of keyframes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from loftr_vo.geometry.reprojection import (
    MatchArrays,
    summed_products,
)
from loftr_vo.geometry.rigid_motion import skew
from loftr_vo.odometry.map.keyframe import Link


class FurtherTerms(Protocol):
    """Terms of the cost beside matches, with unknowns of their own that only they depend on.

    Poses are (3, 3) rotations, map from keyframe, and (3,) positions of all keyframes of the
    window. A step is (6F,) of the F free poses: position, and rotation (left perturbation).
    """

    def cost(self, rotations: list[np.ndarray], positions: list[np.ndarray]) -> float:
        """Return the sum of squared residuals."""
        ...

    def contradicts(self, rotations: list[np.ndarray], positions: list[np.ndarray]) -> bool:
        """Whether they contradict the matches, and are to be left out."""
        ...

    def reduced(
        self, rotations: list[np.ndarray], positions: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return Hessian (6F, 6F) and gradient (6F,), the own unknowns eliminated."""
        ...

    def stepped(
        self, rotations: list[np.ndarray], positions: list[np.ndarray], step: np.ndarray
    ) -> FurtherTerms:
        """Return the terms with the best values of their own unknowns after a step."""
        ...


@dataclass(eq=False)
class WindowState:
    """The variables: K poses, the inverse depths of each keyframe's cells, and further terms'."""

    rotations: list[np.ndarray]
    positions: list[np.ndarray]
    depths: list[np.ndarray]
    terms: FurtherTerms | None = None

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
