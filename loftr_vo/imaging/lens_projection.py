# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Projection by a lens model: from pixels to rays, back, and the derivatives."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cv2
import numpy as np

from loftr_vo.geometry.matrix2x2 import inverse
from loftr_vo.imaging.ray_lookup import RayTable

# A pixel that does not project back to within this many pixels lies outside the lens model.
_INVERSION_TOLERANCE = 0.01
# Pixels by which rays that are looked up may be wrong.
_TABLE_TOLERANCE = 5e-4
# Pixels around a picture that count as near it, and from point to point where it is checked.
_MARGIN, _GRID = 16, 8

# OpenCV 5 gave `undistortPoints` the stopping rule that 4 has under a name of its own.
_undistort_points: Any = getattr(cv2, 'undistortPointsIter', cv2.undistortPoints)
_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-5)  # pixels


class LensProjection:
    """A pinhole camera with lens distortion; see ``Camera``.

    Args:
        matrix: (3, 3) float64, K.
        model: plumb_bob, rational_polynomial or equidistant.
        distortion: (n,) float64, the model's coefficients in OpenCV's order; may be empty.
        size: width and height of the pictures in pixels.
    """

    def __init__(
        self, matrix: np.ndarray, model: str, distortion: np.ndarray, size: tuple[int, int]
    ) -> None:
        self._matrix = matrix
        self._model = model
        self._distortion = distortion
        self._size = size

    @property
    def _focal(self) -> float:
        return float(self._matrix[0, 0] + self._matrix[1, 1]) / 2.0

    def undistort(self, points: np.ndarray) -> np.ndarray:
        """See ``Camera.undistort``."""
        points = np.asarray(points, np.float64).reshape(-1, 2)
        if not self._distortion.any():
            points = self._without_skew(points)
            rays = np.empty(points.shape)
            for axis, pixels in enumerate(points.T):
                rays[:, axis] = (pixels - self._matrix[axis, 2]) / self._matrix[axis, axis]
            return rays
        if len(points) == 0:
            return np.empty((0, 2))
        if self._has_all_rays and self._is_near(points):
            table = self._ray_table
            return self._inverted(points) if table is None else table.rays(points)
        rays = self._inverted(points)
        missed = np.linalg.norm(self.project(rays) - points, axis=1)
        rays[~(missed < _INVERSION_TOLERANCE)] = np.nan
        return rays

    def ray_by_pixel(self, points: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """See ``Camera.ray_by_pixel``."""
        if not self._distortion.any():
            return np.broadcast_to(np.linalg.inv(self._matrix[:2, :2]), (len(points), 2, 2))
        if len(points) and self._has_all_rays and self._is_near(points):
            table = self._ray_table
            if table is not None:
                return table.derivatives(points)
        return inverse(self.pixel_by_ray(rays))

    def pixel_by_ray(self, rays: np.ndarray) -> np.ndarray:
        """See ``Camera.pixel_by_ray``."""
        if not self._distortion.any():
            return np.broadcast_to(self._matrix[:2, :2], (len(rays), 2, 2))
        if len(rays) == 0:
            return np.empty((0, 2, 2))
        _, derivatives = self._projected(rays)
        # OpenCV's columns for the translation: at z = 1, moving the point is moving the ray.
        first = 11 if self._model == 'equidistant' else 3
        by_ray: np.ndarray = derivatives[:, first : first + 2].reshape(-1, 2, 2)
        skew = self._matrix[0, 1] / self._matrix[1, 1]
        return np.array([[1.0, skew], [0.0, 1.0]]) @ by_ray

    def project(self, rays: np.ndarray) -> np.ndarray:
        """Return the pixels (N, 2) of rays (N, 2)."""
        if not self._distortion.any():
            focal, centre = self._matrix[[0, 1], [0, 1]], self._matrix[:2, 2]
            return self._with_skew(rays * focal + centre)
        if len(rays) == 0:
            return np.empty((0, 2))
        return self._projected(rays)[0]

    def _projected(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (N, 2) of rays (N, 2), N > 0, and OpenCV's derivatives (2 N, D), without skew."""
        points = np.column_stack([rays, np.ones(len(rays))])[:, None]
        project = cv2.fisheye.projectPoints if self._model == 'equidistant' else cv2.projectPoints
        pixels, derivatives = project(
            points, np.zeros(3), np.zeros(3), self._matrix, self._distortion
        )
        return self._with_skew(pixels.reshape(-1, 2)), derivatives

    def _with_skew(self, pixels: np.ndarray, sign: float = 1.0) -> np.ndarray:
        """Pixels (N, 2) from what they would be without skew, which OpenCV leaves out."""
        skew = sign * self._matrix[0, 1] / self._matrix[1, 1]
        if skew == 0.0:
            return pixels
        return pixels + np.outer(pixels[:, 1] - self._matrix[1, 2], [skew, 0.0])

    def _without_skew(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) as they would be without skew."""
        return self._with_skew(pixels, -1.0)

    def _inverted(self, points: np.ndarray) -> np.ndarray:
        """Rays (N, 2) of pixels (N, 2), of whatever worth where the lens model has none."""
        pixels = np.ascontiguousarray(self._without_skew(points)[:, None])
        if self._model == 'equidistant':
            rays = cv2.fisheye.undistortPoints(pixels, self._matrix, self._distortion)
        else:
            rays = _undistort_points(
                pixels, self._matrix, self._distortion, R=np.eye(3), P=np.eye(3), criteria=_STOP
            )
        inverted: np.ndarray = rays[:, 0]
        return inverted

    def _is_near(self, points: np.ndarray) -> bool:
        """Whether all points (N, 2) are in the picture, or a little outside."""
        x, y = points.T
        return bool(
            points.min() >= -_MARGIN
            and x.max() < self._size[0] + _MARGIN
            and y.max() < self._size[1] + _MARGIN
        )

    @cached_property
    def _has_all_rays(self) -> bool:
        """Whether the lens model has a ray for all that is near, told from a grid to its edges.

        Then each is spared the check, which takes about as long as the inversion.
        """
        x, y = (
            np.append(np.arange(-_MARGIN, side + _MARGIN, _GRID), side + _MARGIN)
            for side in self._size
        )
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float64)
        missed = np.linalg.norm(self.project(self._inverted(points)) - points, axis=1)
        return bool((missed < _INVERSION_TOLERANCE).all())

    @cached_property
    def _ray_table(self) -> RayTable | None:
        """``_inverted`` of all that is near; None where that itself is as quick, or needed."""
        if self._model == 'equidistant':
            return None
        size, tolerance = self._size, _TABLE_TOLERANCE / self._focal
        return RayTable.made(self._inverted, size, _MARGIN, tolerance)
