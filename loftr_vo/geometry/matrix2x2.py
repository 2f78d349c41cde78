# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Matrices of 2 x 2, one for each of many points, by their closed forms.

LAPACK would be called once for each matrix; this takes a fraction of the time. All matrices are
(N, 2, 2), symmetric and positive semi-definite, but for ``inverse``.
"""

from __future__ import annotations

import numpy as np


def solve(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Solutions (N, 2) of M x = v for vectors (N, 2); no matrix is singular."""
    (a, b, c), (x, y) = _entries(matrices), vectors.T
    return np.column_stack([c * x - b * y, a * y - b * x]) / _determinant(a, b, c)[:, None]


def multiply(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Products (N, 2) M v with vectors (N, 2)."""
    (a, b, c), (x, y) = _entries(matrices), vectors.T
    return np.column_stack([a * x + b * y, b * x + c * y])


def quadratic_form(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return v^T M v, (N,) and not negative, for vectors (N, 2)."""
    (a, b, c), (x, y) = _entries(matrices), vectors.T
    return np.maximum(a * x * x + 2 * b * x * y + c * y * y, 0.0)


def largest_eigenvalue(matrices: np.ndarray) -> np.ndarray:
    """The larger of both eigenvalues, (N,)."""
    a, b, c = _entries(matrices)
    return (a + c) / 2 + np.hypot((a - c) / 2, b)


def whitening(information: np.ndarray) -> np.ndarray:
    """W (N, 2, 2) with W^T W = I: |W e| is an error e in standard deviations, if I is regular.

    The transpose of Cholesky's factor.
    """
    a, b, c = _entries(information)
    factor = np.zeros(information.shape)
    factor[:, 0, 0] = np.sqrt(a)
    factor[:, 0, 1] = b / factor[:, 0, 0]
    factor[:, 1, 1] = np.sqrt(np.maximum(c - factor[:, 0, 1] ** 2, 0.0))
    return factor


def with_variance_added(information: np.ndarray, variance: float | np.ndarray) -> np.ndarray:
    """Information (N, 2, 2) once an isotropic variance, (N,) or one, is added to the covariance.

    inv(inv(I) + v 1) = inv(1 + v I) I, which needs no inverse of I and holds for a flat one, too;
    and since adj(I) I = det(I) 1, that is (I + v det(I) 1) / (1 + v tr(I) + v^2 det(I)).
    """
    a, b, c = _entries(information)
    added = variance * _determinant(a, b, c)
    total = 1 + variance * (a + c + added)
    result = np.empty(information.shape)
    result[:, 0, 0], result[:, 1, 1] = (a + added) / total, (c + added) / total
    result[:, 0, 1] = result[:, 1, 0] = b / total
    return result


def inverse(matrices: np.ndarray) -> np.ndarray:
    """Inverses (N, 2, 2) of matrices that need not be symmetric; not finite where singular."""
    (a, b), (c, d) = np.moveaxis(matrices, 0, -1)
    with np.errstate(divide='ignore', invalid='ignore'):
        rows = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    return np.ascontiguousarray(np.moveaxis(rows, -1, 0))


def _entries(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]


def _determinant(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    # Rounding can make zero a little negative.
    return np.maximum(a * c - b * b, 0.0)
