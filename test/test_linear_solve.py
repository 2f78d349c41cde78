# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Small systems of equations."""

import numpy as np
import pytest

from loftr_vo.geometry.linear_solve import solve


@pytest.mark.parametrize('size', [3, 6, 9])
def test_the_solution_is_numpys(size):
    random = np.random.default_rng(size)
    matrix, vector = random.normal(size=(size, size)), random.normal(size=size)
    given = matrix.copy(), vector.copy()
    np.testing.assert_allclose(solve(matrix, vector), np.linalg.solve(matrix, vector), rtol=1e-9)
    np.testing.assert_array_equal(matrix, given[0])
    np.testing.assert_array_equal(vector, given[1])


def test_a_singular_matrix_has_none():
    with pytest.raises(np.linalg.LinAlgError):
        solve(np.ones((3, 3)), np.arange(3.0))
