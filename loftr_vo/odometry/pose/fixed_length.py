# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Steps of a pose that keep the length of its translation."""

from __future__ import annotations

import numpy as np


def directions_keeping_length(translation: np.ndarray) -> np.ndarray:
    """Basis (6, 5) of the steps (translation, rotation) that keep the translation's length."""
    across = np.linalg.svd(translation[None])[2][1:]  # (2, 3)
    basis = np.zeros((6, 5))
    basis[:3, :2], basis[3:, 2:] = across.T, np.eye(3)
    return basis


def of_length(vector: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Scale a vector (3,) to the length of another; a zero vector is returned unchanged."""
    length = float(np.linalg.norm(vector))
    return vector * (float(np.linalg.norm(other)) / length) if length else vector
