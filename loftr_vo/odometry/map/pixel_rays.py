# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Rays of pixels, lens distortion and rolling shutter taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.epipolar import rays_from_points
from loftr_vo.imaging.camera import Camera
from loftr_vo.odometry.map.tuning import TUNING
from loftr_vo.odometry.rolling_shutter.model import (
    share_of_readout,
    straighten_derivatives,
    to_middle_row,
)


@dataclass(frozen=True, eq=False)
class PixelRays:
    """Rays of N pixels, lens distortion and rolling shutter taken out.

    Attributes:
        rays: (N, 3), z = 1; NaN where not usable.
        by_pixel: (N, 2, 2), derivatives of their x and y by the pixel.
        usable: (N,) bool, whether the lens model has a ray there, less than 85 degrees from the
            axis and not mirrored, and the camera's mask leaves the pixel in use.
    """

    rays: np.ndarray
    by_pixel: np.ndarray
    usable: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, camera: Camera, readout_rotation: np.ndarray) -> PixelRays:
        """Return the rays of pixels (N, 2) of a picture with a readout rotation (3,)."""
        seen = camera.undistort(points)
        by_pixel = camera.ray_by_pixel(points, seen)
        share = share_of_readout(points[:, 1], camera.height)
        rays = rays_from_points(seen)
        by_pixel = straighten_derivatives(rays, share, readout_rotation, by_pixel, camera.height)
        rays = to_middle_row(rays, share, readout_rotation)
        # False where it is NaN.
        usable = np.sum(rays[:, :2] ** 2, axis=1) < TUNING.max_ray_tangent**2
        a, b, c, d = by_pixel.reshape(-1, 4).T
        determinant = a * d - b * c
        # Beyond the angle where the lens model folds over, rays are mirrored.
        usable &= (determinant > 0) & np.isfinite(determinant)
        usable &= camera.uses(points)
        return cls(np.where(usable[:, None], rays, np.nan), by_pixel, usable)
