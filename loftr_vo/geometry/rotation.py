# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Conversions of one rotation.

SciPy's ``Rotation`` does the same for many at once, and takes ten times as long for one.
"""

from __future__ import annotations

import math

import numpy as np


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternion (x, y, z, w) of a rotation (3, 3); its largest component is positive.

    Shepperd (Quaternion from Rotation Matrix, 1978): the products of all components with the
    largest one, which are free of cancellation.
    """
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    products = (
        (1 + a - e - i, b + d, c + g, h - f),
        (b + d, 1 - a + e - i, f + h, c - g),
        (c + g, f + h, 1 - a - e + i, d - b),
        (h - f, c - g, d - b, 1 + a + e + i),
    )
    x, y, z, w = max(enumerate(products), key=lambda row: row[1][row[0]])[1]
    return np.array([x, y, z, w]) / math.sqrt(x * x + y * y + z * z + w * w)


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Axis times angle in radians, (3,), of a rotation (3, 3); the angle is at most pi."""
    x, y, z, w = quaternion(rotation).tolist()
    sine = math.sqrt(x * x + y * y + z * z)  # of half the angle
    angle = 2 * math.atan2(sine, abs(w))
    factor = angle / sine if sine > 0 else 2.0
    return np.array([x, y, z]) * math.copysign(factor, w)


def angle_of(rotation: np.ndarray) -> float:
    """Angle in radians of a rotation (3, 3)."""
    x, y, z, w = quaternion(rotation).tolist()
    return 2 * math.atan2(math.sqrt(x * x + y * y + z * z), abs(w))


def rotate_covariance(covariance: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return a (6, 6) covariance of two vectors with both in the axes that ``rotation`` gives."""
    both = np.zeros((6, 6))
    both[:3, :3] = both[3:, 3:] = rotation
    return both @ covariance @ both.T
