# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The closed forms of 2 x 2 matrices against LAPACK's."""

import numpy as np
import pytest

from loftr_vo.geometry import matrix2x2


@pytest.fixture
def random():
    return np.random.default_rng(3)


@pytest.fixture
def matrices(random):
    """Positive definite, from nearly flat to nearly round, of very different size."""
    turn = random.uniform(0, np.pi, 200)
    axes = np.stack([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    values = 10 ** random.uniform(-2, 4, (200, 2))
    return np.einsum('ijn,nj,kjn->nik', axes, values, axes)


@pytest.fixture
def vectors(random):
    return random.normal(size=(200, 2))


def test_solve(matrices, vectors):
    expected = np.linalg.solve(matrices, vectors[..., None])[..., 0]
    assert matrix2x2.solve(matrices, vectors) == pytest.approx(expected, rel=1e-6)


def test_multiply(matrices, vectors):
    expected = np.einsum('nij,nj->ni', matrices, vectors)
    assert matrix2x2.multiply(matrices, vectors) == pytest.approx(expected)


def test_quadratic_form(matrices, vectors):
    expected = np.einsum('ni,nij,nj->n', vectors, matrices, vectors)
    assert matrix2x2.quadratic_form(matrices, vectors) == pytest.approx(expected)


def test_largest_eigenvalue(matrices):
    expected = np.linalg.eigvalsh(matrices)[:, 1]
    assert matrix2x2.largest_eigenvalue(matrices) == pytest.approx(expected)


def test_whitening(matrices):
    expected = np.linalg.cholesky(matrices).transpose(0, 2, 1)
    assert matrix2x2.whitening(matrices) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('each', [False, True])
def test_added_variance(random, matrices, each):
    variance = random.uniform(0.01, 2, 200) if each else np.full(200, 0.01)
    covariance = np.linalg.inv(matrices) + variance[:, None, None] * np.eye(2)
    found = matrix2x2.with_variance_added(matrices, variance if each else 0.01)
    assert found == pytest.approx(np.linalg.inv(covariance), rel=1e-6)


def test_what_is_flat_stays_flat():
    edge = np.array([[[9.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    found = matrix2x2.with_variance_added(edge, 1.0)
    assert found == pytest.approx(np.array([[[0.9, 0.0], [0.0, 0.0]], np.zeros((2, 2))]))
