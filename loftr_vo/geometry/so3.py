# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Many rotations at once: exponential, logarithm and Jacobians of SO(3).

Formulas: Sola, Deray, Atchuthan: A micro Lie theory for state estimation in robotics, 2018,
appendix B. Every function takes any number of leading axes.
"""

from __future__ import annotations

import numpy as np

# Below this squared angle the series are exact to the precision of a float64.
_SMALL_SQUARED = 1e-6


def skew_matrices(vectors: np.ndarray) -> np.ndarray:
    """(..., 3, 3) matrices of the cross product with vectors (..., 3)."""
    matrices = np.zeros((*vectors.shape, 3))
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    matrices[..., 0, 1], matrices[..., 0, 2], matrices[..., 1, 2] = -z, y, -x
    matrices[..., 1, 0], matrices[..., 2, 0], matrices[..., 2, 1] = z, -y, x
    return matrices


def exponential(vectors: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotations by rotation vectors (..., 3), in radians."""
    sine, versine, _ = _coefficients(vectors)
    return _series(vectors, sine, versine)


def right_jacobian(vectors: np.ndarray) -> np.ndarray:
    """(..., 3, 3) matrices J with exp(v + d) = exp(v) exp(J d), for small d."""
    _, versine, rest = _coefficients(vectors)
    return _series(vectors, -versine, rest)


def inverse_right_jacobian(vectors: np.ndarray) -> np.ndarray:
    """(..., 3, 3) inverses of the right Jacobians."""
    squared = np.sum(vectors**2, axis=-1)
    small = squared < _SMALL_SQUARED
    angle = np.sqrt(np.where(small, 1.0, squared))
    # (1 + cos) / sin, written so that it does not cancel near zero.
    cotangent = 1 / np.tan(angle / 2)
    second = np.where(small, 1 / 12, (1 - angle * cotangent / 2) / np.where(small, 1.0, squared))
    return _series(vectors, np.full(squared.shape, 0.5), second)


def logarithm(rotations: np.ndarray) -> np.ndarray:
    """(..., 3) rotation vectors of rotations (..., 3, 3), for angles below pi.

    By the sine from the antisymmetric part and the cosine from the trace; near pi it is inexact.
    """
    antisymmetric = np.stack(
        [
            rotations[..., 2, 1] - rotations[..., 1, 2],
            rotations[..., 0, 2] - rotations[..., 2, 0],
            rotations[..., 1, 0] - rotations[..., 0, 1],
        ],
        axis=-1,
    )
    sine = np.linalg.norm(antisymmetric, axis=-1) / 2
    cosine = (np.trace(rotations, axis1=-2, axis2=-1) - 1) / 2
    angle = np.arctan2(sine, cosine)
    small = sine < np.sqrt(_SMALL_SQUARED)
    series = 0.5 + sine**2 / 12
    factor = np.where(small, series, angle / (2 * np.where(small, 1.0, sine)))
    vectors: np.ndarray = factor[..., None] * antisymmetric
    return vectors


def _coefficients(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """sin(a) / a, (1 - cos(a)) / a^2 and (a - sin(a)) / a^3 of the angles a of vectors."""
    squared = np.sum(vectors**2, axis=-1)
    small = squared < _SMALL_SQUARED
    safe = np.where(small, 1.0, squared)
    angle = np.sqrt(safe)
    half_sine = np.sin(angle / 2)
    return (
        np.where(small, 1 - squared / 6, np.sin(angle) / angle),
        np.where(small, 0.5 - squared / 24, 2 * half_sine**2 / safe),
        np.where(small, 1 / 6 - squared / 120, (angle - np.sin(angle)) / (safe * angle)),
    )


def _series(vectors: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 + first [v]x + second [v]x^2."""
    cross = skew_matrices(vectors)
    result: np.ndarray = (
        np.eye(3) + first[..., None, None] * cross + second[..., None, None] * (cross @ cross)
    )
    return result
