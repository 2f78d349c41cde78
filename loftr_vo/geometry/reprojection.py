# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The reprojection error of cells with inverse depth, its derivatives, and its robust cost.

A cell along the ray x at inverse depth rho is seen by a camera at (R, t) in the direction of
R x + rho t. Both the pose of one frame and a window of keyframes are refined on this error.

It is computed in every step of every solve, so the N cells are the last axis of all arrays here:
each operation then runs along memory, and the normal equations are matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Least ratio of the depth in the second camera to that in the first, against division by zero.
_LEAST_DEPTH = 1e-3
# Products summed at a time: few enough for BLAS to stay on one thread. OpenBLAS uses a second one
# for twice as many, and on a busy machine threads wait for each other longer than they work.
_PRODUCTS = 2**17
# The axes, and the first two again, so that the next two axes of each are a slice.
_AXES = np.array([0, 1, 2, 0, 1])


@dataclass(frozen=True, eq=False)
class MatchArrays:
    """N cells and their observations in another camera.

    Attributes:
        rays: (3, N) rays of the cells in the first camera, z = 1.
        points: (2, N) normalised image coordinates of the cells in the second camera.
        whitening: (2, 2, N), the columns of the matrix that converts an error of ``points`` into
            standard deviations: that of x, then that of y.
        by_pixel: (N, 2, 2), derivatives of ``points`` by the pixel; None where no distance in
            pixels is needed.
    """

    rays: np.ndarray
    points: np.ndarray
    whitening: np.ndarray
    by_pixel: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        rays0: np.ndarray,
        rays1: np.ndarray,
        whitening: np.ndarray,
        by_pixel: np.ndarray | None = None,
    ) -> MatchArrays:
        """Arrange rays (N, 3) in both cameras and whitening (N, 2, 2), see ``Observations``."""
        return cls(
            np.ascontiguousarray(rays0.T),
            np.ascontiguousarray(rays1[:, :2].T),
            np.ascontiguousarray(whitening.transpose(2, 1, 0)),
            by_pixel,
        )

    def in_pixels(self, error: np.ndarray) -> np.ndarray:
        """Length (N,) in pixels of errors (2, N) of ``points``."""
        assert self.by_pixel is not None
        return vector_norms(_pixel_errors(error, self.by_pixel))

    def whitened(self, error: np.ndarray) -> np.ndarray:
        """Errors (2, N) of ``points`` in standard deviations."""
        whitened: np.ndarray = self.whitening[0] * error[0] + self.whitening[1] * error[1]
        return whitened


@dataclass(frozen=True, eq=False)
class Linearised:
    """Residuals and their derivatives, in standard deviations of the match.

    Attributes:
        residual: (2, N).
        by_pose: (6, 2, N), by the translation and a left perturbation of the rotation.
        by_depth: (2, N).
        difference: (2, N), the residuals in units of z = 1.
        match_arrays: what was linearised.
    """

    residual: np.ndarray
    by_pose: np.ndarray
    by_depth: np.ndarray
    difference: np.ndarray
    match_arrays: MatchArrays

    @cached_property
    def error(self) -> np.ndarray:
        """Length (N,) of the residuals."""
        return vector_norms(self.residual)

    @property
    def distance(self) -> np.ndarray:
        """(N,) the same in pixels."""
        return self.match_arrays.in_pixels(self.difference)


def linearise(
    match_arrays: MatchArrays,
    rotation: np.ndarray,
    translation: np.ndarray,
    inverse_depth: np.ndarray,
) -> Linearised:
    """Return the residuals of N cells and their derivatives.

    Args:
        match_arrays: of the cells.
        rotation: (3, 3), second camera from first.
        translation: (3,), second camera from first.
        inverse_depth: (N,) of the cells, in the first camera.
    """
    rotated = rotation.take(_AXES, axis=0) @ match_arrays.rays
    point = rotated[:3] + translation[:, None] * inverse_depth
    z = np.maximum(point[2], _LEAST_DEPTH)
    projected = point[:2] / z
    difference = projected - match_arrays.points
    by_point = np.empty((5, 2, len(z)))
    np.divide(match_arrays.whitening, z, out=by_point[:2])  # d(x/z)/dx = 1/z
    np.negative(by_point[0] * projected[0] + by_point[1] * projected[1], out=by_point[2])
    by_point[3:] = by_point[:2]
    by_pose = np.empty((6, 2, len(z)))
    np.multiply(by_point[:3], inverse_depth, out=by_pose[:3])
    # d(exp(w) rotated)/dw = -[rotated]x, and row . (-[a]x) = a x row
    np.multiply(rotated[1:4, None], by_point[2:], out=by_pose[3:])
    by_pose[3:] -= rotated[2:, None] * by_point[1:4]
    return Linearised(
        match_arrays.whitened(difference),
        by_pose,
        (translation @ by_point[:3].reshape(3, -1)).reshape(2, -1),
        difference,
        match_arrays,
    )


class DepthResidual:
    """The residuals of N cells as functions of their depth, the pose held fixed.

    Whitening is linear, so it is done before the projection, once for all depths. This takes a
    third of the time of ``linearise``.

    Args:
        match_arrays: of the cells.
        rotation: (3, 3), second camera from first.
        translation: (3,), second camera from first.
    """

    def __init__(
        self, match_arrays: MatchArrays, rotation: np.ndarray, translation: np.ndarray
    ) -> None:
        self._matches = match_arrays
        self._rotated = rotation @ match_arrays.rays
        self._translation = translation
        self._points = match_arrays.whitened(match_arrays.points)
        self._start = match_arrays.whitened(self._rotated)
        self._translated = match_arrays.whitened(translation)

    def at(self, inverse_depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``residual`` and ``by_depth`` at inverse depths (N,), see ``Linearised``."""
        z = self._z(inverse_depth)
        projected = (self._start + self._translated * inverse_depth) / z
        by_depth = (self._translated - self._translation[2] * projected) / z
        return projected - self._points, by_depth

    def distance(self, inverse_depth: np.ndarray) -> np.ndarray:
        """Return the length (N,) of the error at inverse depths (N,), in pixels."""
        point = self._rotated[:2] + self._translation[:2, None] * inverse_depth
        return self._matches.in_pixels(point / self._z(inverse_depth) - self._matches.points)

    def _z(self, inverse_depth: np.ndarray) -> np.ndarray:
        z = self._rotated[2] + self._translation[2] * inverse_depth
        return np.maximum(z, _LEAST_DEPTH)


def _pixel_errors(error: np.ndarray, by_pixel: np.ndarray) -> np.ndarray:
    """Convert errors (2, N) of normalised coordinates to pixels; ``by_pixel`` is (N, 2, 2)."""
    a, b, c, d = by_pixel.reshape(-1, 4).T
    determinant = a * d - b * c
    x, y = error
    return np.stack([(d * x - b * y) / determinant, (a * y - c * x) / determinant])


def vector_norms(residual: np.ndarray) -> np.ndarray:
    """Length (N,) of vectors (2, N)."""
    return np.sqrt(residual[0] ** 2 + residual[1] ** 2)


def squared_norms(vectors: np.ndarray) -> np.ndarray:
    """Squared length (N,) of vectors (2, N)."""
    squared: np.ndarray = vectors[0] ** 2 + vectors[1] ** 2
    return squared


def inner_products(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Inner products (N,) of vectors (2, N) with others (2, N)."""
    inner: np.ndarray = vectors[0] * others[0] + vectors[1] * others[1]
    return inner


def summed_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return ``left @ right.T``, (A, B), of (A, M) and (B, M) with many columns."""
    columns = max(1, _PRODUCTS // max(1, len(left) * len(right)))
    total = left[:, :columns] @ right[:, :columns].T
    for start in range(columns, left.shape[1], columns):
        part = slice(start, start + columns)
        total += left[:, part] @ right[:, part].T
    return total
