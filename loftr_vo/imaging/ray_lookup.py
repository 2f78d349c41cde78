# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The rays of a distorted picture's pixels, to be looked up.

A lens model has no inverse in closed form, so each ray takes several rounds. But rays change
smoothly over the picture: around each point of a grid they follow a Taylor series of the second
order, as far as the next point, to a fraction of a thousandth of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Pixels between the grid's points; the first that are exact enough are taken.
_STEPS = (8, 4, 2)


@dataclass(frozen=True, eq=False)
class RayTable:
    """Rays on a grid, with their derivatives.

    Attributes:
        first: pixel coordinates of the grid's first point, the same in x and y.
        step: pixels between its points.
        columns: points in a row of it.
        series: (M, 6, 2), for each point x/z and y/z of the ray and their derivatives by the
            pixel: none, x, y, xx, xy, yy, those of the second order with the factors of the
            series.
    """

    first: float
    step: int
    columns: int
    series: np.ndarray

    @classmethod
    def made(
        cls,
        invert: Callable[[np.ndarray], np.ndarray],
        size: tuple[int, int],
        margin: int,
        tolerance: float,
    ) -> RayTable | None:
        """Return a table of a picture; None where none is exact enough.

        Args:
            invert: gives rays (N, 2) of pixels (N, 2).
            size: width and height in pixels.
            margin: pixels around the picture that it is good for, too.
            tolerance: largest error in units of z = 1.
        """
        for step in _STEPS:
            table = cls._of(invert, size, margin, step)
            between = np.minimum(_grid(size, margin - step / 2, step), np.add(size, margin))
            if np.abs(table.rays(between) - invert(between)).max() < tolerance:
                return table
        return None

    @classmethod
    def _of(
        cls,
        invert: Callable[[np.ndarray], np.ndarray],
        size: tuple[int, int],
        margin: int,
        step: int,
    ) -> RayTable:
        # Two more on each side, for the differences of differences.
        margin += 2 * step
        pixels = _grid(size, margin, step)
        columns = int(np.count_nonzero(pixels[:, 1] == pixels[0, 1]))
        rays = invert(pixels).reshape(-1, columns, 2)
        by_y, by_x = np.gradient(rays, step, axis=(0, 1))
        by_xy, by_xx = np.gradient(by_x, step, axis=(0, 1))
        by_yy = np.gradient(by_y, step, axis=0)
        series = np.stack([rays, by_x, by_y, by_xx / 2, by_xy, by_yy / 2], axis=2)
        return cls(-margin, step, columns, series.reshape(-1, 6, 2))

    def rays(self, points: np.ndarray) -> np.ndarray:
        """Rays (N, 2), x/z and y/z, of pixels (N, 2) that are in the picture or its margin."""
        x, y, (ray, by_x, by_y, by_xx, by_xy, by_yy) = self._around(points)
        rays: np.ndarray = ray + x * (by_x + x * by_xx + y * by_xy) + y * (by_y + y * by_yy)
        return rays.T

    def derivatives(self, points: np.ndarray) -> np.ndarray:
        """Derivatives (N, 2, 2) of the rays by the pixels (N, 2); the last axis is the pixel's."""
        x, y, (_, by_x, by_y, by_xx, by_xy, by_yy) = self._around(points)
        derivatives = np.empty((len(points), 2, 2))
        derivatives[:, :, 0] = (by_x + 2 * x * by_xx + y * by_xy).T
        derivatives[:, :, 1] = (by_y + x * by_xy + 2 * y * by_yy).T
        return derivatives

    def _around(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels x and y (N,) from the grid's nearest point, and its series (6, 2, N)."""
        # Points along memory, see ``reprojection``: a third of the time.
        place = np.subtract(points.T, self.first, order='C') / self.step
        nearest = np.rint(place)
        x, y = self.step * (place - nearest)
        column, row = nearest.astype(np.intp)
        series = self.series.take(row * self.columns + column, axis=0)
        return x, y, np.ascontiguousarray(series.transpose(1, 2, 0))


def _grid(size: tuple[int, int], margin: float, step: int) -> np.ndarray:
    """Pixels (N, 2), row by row, from before the picture's first to after its last."""
    x, y = (np.arange(-margin, side + margin + step, step, dtype=np.float64) for side in size)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
