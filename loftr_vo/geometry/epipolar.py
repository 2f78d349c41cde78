# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Two views of a point: epipolar distance, parallax, inverse depth."""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.rigid_motion import skew

RayJacobians = tuple[np.ndarray, np.ndarray]
"""Derivatives (N, 2, 2) of the rays' x and y by the pixel, in the first and the second picture.

Where they are left out, a pixel is one unit of z = 1.
"""


def rays_from_points(points: np.ndarray) -> np.ndarray:
    """Append z = 1 to (N, 2) normalised image coordinates."""
    # Ray after ray, however the points lie: they are selected more often than computed with.
    rays = np.empty((len(points), 3))
    rays[:, :2], rays[:, 2] = points, 1.0
    return rays


def epipolar_distance(
    rays0: np.ndarray,
    rays1: np.ndarray,
    rotation: np.ndarray,
    direction: np.ndarray,
    by_pixel: RayJacobians | None = None,
) -> np.ndarray:
    """Sampson's distance (N,) of matches from their epipolar lines in pixels, with its sign.

    It is C / |dC/dpixel|, C = y^T E x and the derivative by the pixels of both pictures (Hartley
    and Zisserman, 2nd ed., 11.4.3).
    """
    essential = skew(direction) @ rotation
    a, b, c = essential @ rays0.T
    d, e = essential.T[:2] @ rays1.T
    x, y, z = rays1.T
    constraint = x * a + y * b + z * c
    if by_pixel is not None:
        d, e = by_pixel_coordinates(d, e, by_pixel[0])
        a, b = by_pixel_coordinates(a, b, by_pixel[1])
    distance: np.ndarray = constraint / np.sqrt(a * a + b * b + d * d + e * e + 1e-18)
    return distance


def parallax(rays0: np.ndarray, rays1: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Angle in degrees, (N,), between matched rays once the rotation is taken out."""
    x, y, z = rotation @ rays0.T
    u, v, w = rays1.T
    across = np.sqrt((y * w - z * v) ** 2 + (z * u - x * w) ** 2 + (x * v - y * u) ** 2)
    return np.degrees(np.arctan2(across, x * u + y * v + z * w))


def inverse_depth(
    rays0: np.ndarray, rays1: np.ndarray, rotation: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """Inverse depth in the first view, (N,); negative behind the camera.

    The projection of R x0 + rho t is y: the cross product of both vanishes, which is linear in
    rho; this is its least-squares solution.
    """
    rotated = rays0 @ rotation.T
    a = np.cross(rays1, np.broadcast_to(translation, rays1.shape))
    b = np.cross(rays1, rotated)
    return -np.sum(a * b, axis=1) / np.maximum(np.sum(a * a, axis=1), 1e-18)


def translation_from_depth(
    rays0: np.ndarray, rays1: np.ndarray, inverse_depths: np.ndarray, rotation: np.ndarray
) -> np.ndarray:
    """Translation (3,) by least squares, given the rotation and inverse depths (N,)."""
    rotated = rays0 @ rotation.T
    y = rays1
    zero = np.zeros(len(y))
    cross = np.stack(
        [zero, -y[:, 2], y[:, 1], y[:, 2], zero, -y[:, 0], -y[:, 1], y[:, 0], zero], axis=1
    ).reshape(-1, 3, 3)
    a = cross * inverse_depths[:, None, None]
    b = -np.cross(y, rotated)
    return np.linalg.lstsq(a.reshape(-1, 3), b.reshape(-1), rcond=None)[0]


def by_pixel_coordinates(
    by_x: np.ndarray, by_y: np.ndarray, by_pixel: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turn derivatives (N,) by a ray's x and y into those by the pixel's; chain rule."""
    a, b, c, d = by_pixel.reshape(-1, 4).T
    return by_x * a + by_y * c, by_x * b + by_y * d
