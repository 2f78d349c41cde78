# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The matches of a pair of pictures, as arrays on the host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Matches:
    """N matches of a pair; pixel (0, 0) is the centre of the top left pixel.

    Attributes:
        keypoints0: (N, 2) float32, x and y in the first picture, in pixels of the original;
            always on the network's coarse grid.
        keypoints1: (N, 2) float32, the same points in the second picture, sub-pixel.
        confidence: (N,) float32 in [0, 1], the coarse dual-softmax score.
        spread: (N,) float32, standard deviation of ``keypoints1`` in pixels: the root of the sum
            of the variances along both axes.
        cells: (N,) int64, row-major index of the coarse cell in the first picture. With a
            keyframe as the first picture it identifies a point in every frame matched to it.
    """

    keypoints0: np.ndarray
    keypoints1: np.ndarray
    confidence: np.ndarray
    spread: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.confidence)

    def select(self, chosen: np.ndarray) -> Matches:
        """Return the matches of ``chosen``, a mask or indices."""
        return Matches(
            self.keypoints0[chosen],
            self.keypoints1[chosen],
            self.confidence[chosen],
            self.spread[chosen],
            self.cells[chosen],
        )


class PendingMatches:
    """Matches that the device may still compute.

    Args:
        fetch: waits for the matches and returns them; called once, by the first ``result``.
        arrived: whether that takes no waiting.
    """

    def __init__(
        self, fetch: Callable[[], Matches], arrived: Callable[[], bool] = lambda: True
    ) -> None:
        self._fetch: Callable[[], Matches] | None = fetch
        self._arrived = arrived
        self._matches: Matches | None = None

    @property
    def ready(self) -> bool:
        """Whether ``result`` returns at once."""
        return self._matches is not None or self._arrived()

    def result(self) -> Matches:
        """Return the matches, waiting for them if need be.

        Raises:
            DeviceLostError: the device failed.
        """
        if self._matches is None:
            assert self._fetch is not None
            self._matches = self._fetch()
            self._fetch = None  # which frees its buffer
        return self._matches
