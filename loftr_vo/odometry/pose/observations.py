# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Cells of a keyframe seen in a frame: what poses and depths are estimated from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from loftr_vo.geometry.reprojection import (
    MatchArrays,
)


@dataclass(frozen=True, eq=False)
class Observations:
    """N cells of the keyframe observed in a frame.

    Attributes:
        rays0: (N, 3) rays in the keyframe, z = 1.
        rays1: (N, 3) rays in the frame, z = 1.
        whitening: (N, 2, 2), converts an error of rays1 at z = 1 into standard deviations.
        prior: (N,) inverse depth in the keyframe.
        variance: (N,) of the prior.
        by_pixel0: (N, 2, 2), derivatives of rays0's x and y by the keyframe's pixel. By default a
            pixel is one unit of z = 1.
        by_pixel1: (N, 2, 2), the same of rays1 and the frame.
    """

    rays0: np.ndarray
    rays1: np.ndarray
    whitening: np.ndarray
    prior: np.ndarray
    variance: np.ndarray
    by_pixel0: np.ndarray = field(default_factory=lambda: np.eye(2))
    by_pixel1: np.ndarray = field(default_factory=lambda: np.eye(2))

    def __post_init__(self) -> None:
        for name in ('by_pixel0', 'by_pixel1'):
            whole = np.broadcast_to(getattr(self, name), (len(self.rays0), 2, 2))
            object.__setattr__(self, name, whole)

    @property
    def by_pixel(self) -> tuple[np.ndarray, np.ndarray]:
        """``by_pixel0`` and ``by_pixel1``, as ``geometry`` takes them."""
        return self.by_pixel0, self.by_pixel1

    @cached_property
    def information(self) -> np.ndarray:
        """(N,) of the prior, the inverse of its variance."""
        information: np.ndarray = 1 / self.variance
        return information

    @cached_property
    def match_arrays(self) -> MatchArrays:
        """The matches as contiguous arrays, the cells last."""
        return MatchArrays.of(self.rays0, self.rays1, self.whitening, self.by_pixel1)

    def with_inflated_noise(self, times: float) -> Observations:
        """Return the same with the variance of the matches multiplied."""
        if times == 1:
            return self  # keeps the cached arrays
        return replace(self, whitening=self.whitening / np.sqrt(times))

    def select(self, chosen: np.ndarray) -> Observations:
        """Return those chosen by a mask or by indices."""
        # ``take`` needs a quarter of the time that indexing does where there are more axes.
        indices = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return Observations(
            self.rays0.take(indices, axis=0),
            self.rays1.take(indices, axis=0),
            self.whitening.take(indices, axis=0),
            self.prior.take(indices),
            self.variance.take(indices),
            self.by_pixel0.take(indices, axis=0),
            self.by_pixel1.take(indices, axis=0),
        )
