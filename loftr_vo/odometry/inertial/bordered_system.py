# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Normal equations of a chain: each state is linked with the next, and all with a few others."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded


class BorderedSystem:
    """H x = b with H a block tridiagonal matrix of K blocks, bordered by G common unknowns.

    Solved by eliminating the chain, whose band has the width of two blocks: the time goes with K.

    Args:
        count: K.
        size: of a block.
        common: G.
    """

    def __init__(self, count: int, size: int, common: int) -> None:
        self._size = size
        self.diagonal = np.zeros((count, size, size))
        self.upper = np.zeros((count - 1, size, size))
        self.border = np.zeros((count, size, common))
        self.corner = np.zeros((common, common))
        self.right = np.zeros((count, size))
        self.common_right = np.zeros(common)

    def add_links(
        self, before: np.ndarray, after: np.ndarray, common: np.ndarray, residuals: np.ndarray
    ) -> None:
        """Add the K - 1 links of neighbours, whitened.

        Args:
            before, after: (K - 1, R, size) derivatives of the residuals by both states.
            common: (K - 1, R, G) derivatives by the common unknowns.
            residuals: (K - 1, R).
        """
        before_t, after_t, common_t = (each.swapaxes(1, 2) for each in (before, after, common))
        column = residuals[..., None]
        self.diagonal[:-1] += before_t @ before
        self.diagonal[1:] += after_t @ after
        self.upper += before_t @ after
        self.border[:-1] += before_t @ common
        self.border[1:] += after_t @ common
        self.corner += (common_t @ common).sum(axis=0)
        self.right[:-1] -= (before_t @ column)[..., 0]
        self.right[1:] -= (after_t @ column)[..., 0]
        self.common_right -= (common_t @ column)[..., 0].sum(axis=0)

    def add_states(self, state: np.ndarray, common: np.ndarray, residuals: np.ndarray) -> None:
        """Add measurements of each state: (K, R, size), (K, R, G), (K, R), whitened."""
        state_t, common_t = state.swapaxes(1, 2), common.swapaxes(1, 2)
        column = residuals[..., None]
        self.diagonal += state_t @ state
        self.border += state_t @ common
        self.corner += (common_t @ common).sum(axis=0)
        self.right -= (state_t @ column)[..., 0]
        self.common_right -= (common_t @ column)[..., 0].sum(axis=0)

    def add_prior(self, information: np.ndarray, error: np.ndarray) -> None:
        """Add a prior of the first state with the common unknowns.

        Args:
            information: (size + G, size + G).
            error: (size + G,), present value less the expected one.
        """
        size = self._size
        self.diagonal[0] += information[:size, :size]
        self.border[0] += information[:size, size:]
        self.corner += information[size:, size:]
        pull = information @ error
        self.right[0] -= pull[:size]
        self.common_right -= pull[size:]

    def solve(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Solve it.

        Returns:
            The states (K, size); the common unknowns (G,); and the covariance of the last state
            with the common unknowns, (size + G, size + G).

        Raises:
            LinAlgError: the matrix is not positive definite.
        """
        count, size, common = self.border.shape
        last = np.zeros((count, size, size))
        last[-1] = np.eye(size)
        columns = np.concatenate([self.border, self.right[..., None], last], axis=2)
        solved = solveh_banded(self._band(), columns.reshape(count * size, -1))
        solved = solved.reshape(count, size, -1)
        by_common, by_right, by_last = (
            solved[..., :common],
            solved[..., common],
            solved[..., common + 1 :],
        )
        border = self.border.reshape(-1, common)
        reduced = self.corner - border.T @ by_common.reshape(-1, common)
        np.linalg.cholesky(reduced)  # raises where it is not positive definite
        covariance = np.linalg.inv(reduced)
        together = covariance @ (self.common_right - border.T @ by_right.ravel())
        states = by_right - by_common @ together
        joint = np.empty((size + common, size + common))
        joint[size:, size:] = covariance
        joint[:size, size:] = -by_common[-1] @ covariance
        joint[size:, :size] = joint[:size, size:].T
        joint[:size, :size] = by_last[-1] + by_common[-1] @ covariance @ by_common[-1].T
        return states, together, (joint + joint.T) / 2

    def _band(self) -> np.ndarray:
        """The chain's matrix as the rows of ``solveh_banded``: upper[i - j, j] at a[i, j]."""
        count, size = self.right.shape
        width = 2 * size - 1
        band = np.zeros((width + 1, count * size))
        row, column = np.indices((size, size))
        starts = np.arange(count)[:, None, None] * size
        upper = row <= column
        band[(width + row - column)[upper], (starts + column)[:, upper]] = self.diagonal[:, upper]
        band[(width + row - column - size)[None], (starts[1:] + column)] = self.upper
        return band
