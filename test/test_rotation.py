# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""One rotation in other forms, against SciPy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rotation import (
    angle_of,
    quaternion,
    rotate_covariance,
    rotation_vector,
)

AXES = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, -0.8, 0], [-0.48, 0.6, 0.64]])
VECTORS = [angle * axis for axis in AXES for angle in (0.0, 1e-9, 1e-4, 0.5, 2.0, 3.0, 3.14159)]


@pytest.mark.parametrize('vector', VECTORS, ids=str)
def test_as_scipy_has_it(vector):
    expected = Rotation.from_rotvec(vector)
    rotation = expected.as_matrix()
    found = quaternion(rotation)
    assert found[np.argmax(np.abs(found))] > 0
    assert abs(found @ expected.as_quat()) == pytest.approx(1, abs=1e-12)
    assert rotation_vector(rotation) == pytest.approx(vector, rel=1e-8, abs=1e-15)
    assert angle_of(rotation) == pytest.approx(np.linalg.norm(vector), rel=1e-8, abs=1e-15)


def test_half_a_turn_has_either_axis():
    vector = np.pi * AXES[4]
    found = rotation_vector(Rotation.from_rotvec(vector).as_matrix())
    assert min(np.abs(found - vector).max(), np.abs(found + vector).max()) < 1e-6


def test_random_rotations():
    for rotation in Rotation.random(200, random_state=1):
        found = rotation_vector(rotation.as_matrix())
        assert found == pytest.approx(rotation.as_rotvec(), abs=1e-9)


def test_a_covariance_is_turned():
    root = np.random.default_rng(0).normal(size=(6, 6))
    turn = Rotation.from_rotvec([0.1, 0.2, -0.4]).as_matrix()
    both = np.kron(np.eye(2), turn)
    expected = both @ root @ root.T @ both.T
    assert rotate_covariance(root @ root.T, turn) == pytest.approx(expected)
