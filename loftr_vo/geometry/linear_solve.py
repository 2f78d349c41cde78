# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Systems of a few linear equations, one at a time.

numpy's ``solve`` also takes stacks of them, and needs five times as long as LAPACK itself.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

# Ratio to the largest eigenvalue below which one is a rounding error.
_SINGULAR = 1e-14


def solve(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Solution (N,) of M x = v, for M (N, N) and v (N,).

    Raises:
        numpy.linalg.LinAlgError: the matrix is singular.
    """
    _, _, solution, fault = lapack.dgesv(matrix, vector)
    if fault > 0:
        raise np.linalg.LinAlgError('singular matrix')
    return solution


def pseudo_inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse (N, N) of a symmetric matrix, zero in the directions in which that is zero.

    numpy's ``pinv`` returns the same, but takes three times as long for a small one.
    """
    values, vectors = np.linalg.eigh(matrix)
    size = np.abs(values)
    regular = size > _SINGULAR * size.max()
    inverted = np.divide(1.0, values, out=np.zeros(len(values)), where=regular)
    inverse: np.ndarray = (vectors * inverted) @ vectors.T
    return inverse
