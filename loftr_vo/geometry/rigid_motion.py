# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid motions as (4, 4) matrices."""

from __future__ import annotations

import numpy as np

_IDENTITY = np.eye(3)


# Error of a rotation whose square is below the precision of a float64.
_ROUNDING = 1e-9


def transform(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(4, 4) matrix of a motion, its rotation projected to SO(3).

    Poses are computed from poses without end, and a transpose is used as the inverse. Without the
    projection rounding errors would accumulate.
    """
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = _nearest_rotation(rotation), translation
    return matrix


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Nearest rotation (3, 3) to an approximate one: its polar factor."""
    error = matrix.T @ matrix - _IDENTITY
    if np.abs(error).max() < _ROUNDING:
        # The first terms of the series, in a fifth of the time of an SVD.
        return matrix - matrix @ error / 2
    u, _, v = np.linalg.svd(matrix)
    nearest: np.ndarray = u @ v
    return nearest


def split(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and translation (3,) of a (4, 4) motion."""
    return matrix[:3, :3], matrix[:3, 3]


def inverse_transform(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a (4, 4) rigid motion."""
    rotation = matrix[:3, :3].T
    return transform(rotation, -rotation @ matrix[:3, 3])


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 3) points moved by a (4, 4) motion."""
    moved: np.ndarray = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def skew(vector: np.ndarray) -> np.ndarray:
    """(3, 3) matrix of the cross product with (3,) ``vector``."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
