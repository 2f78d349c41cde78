# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Points in space seen by two cameras, exactly known."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

FOCAL = 500.0  # pixels; a pixel is 1 / FOCAL of the plane z = 1


@dataclass(frozen=True)
class TwoViews:
    """N points and the motion X1 = R X0 + t between the two cameras that see them."""

    rays0: np.ndarray
    rays1: np.ndarray
    depth: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray


def two_views(random, count, translation=(0.3, -0.1, 0.15), degrees=(4.0, -2.0, 1.0)):
    """Return points 2 to 8 away in a field of view of about 60 by 45 degrees."""
    rotation = Rotation.from_euler('yxz', degrees, degrees=True).as_matrix()
    translation = np.array(translation)
    xy = random.uniform((-0.6, -0.4), (0.6, 0.4), (count, 2))
    rays0 = np.column_stack([xy, np.ones(count)])
    depth = random.uniform(2.0, 8.0, count)
    points = rays0 * depth[:, None] @ rotation.T + translation
    return TwoViews(rays0, points / points[:, 2:], depth, rotation, translation)


def degrees_between(rotation0, rotation1):
    """Angle of the rotation that turns one into the other."""
    return np.degrees(Rotation.from_matrix(rotation0.T @ rotation1).magnitude())


def degrees_apart(vector0, vector1):
    """Angle between two vectors."""
    across = np.linalg.norm(np.cross(vector0, vector1))
    return np.degrees(np.arctan2(across, vector0 @ vector1))
