# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid motions as (4, 4) matrices."""

from __future__ import annotations

import numpy as np

_IDENTITY = np.eye(3)


# An error of a rotation whose square is below what a number holds.
_ROUNDING = 1e-9


def transform(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(4, 4) matrix of a motion, its rotation made orthogonal, without rounding errors.

    Poses are made from poses without end, and the transpose stands for the inverse: unless each
    rotation is brought back to SO(3), rounding grows until they are rotations no longer.
    """
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = _nearest_rotation(rotation), translation
    return matrix


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """(3, 3), the polar factor of one that is a rotation but for some error."""
    error = matrix.T @ matrix - _IDENTITY
    if np.abs(error).max() < _ROUNDING:
        # The first terms of its series; a fifth of the time of an SVD.
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
