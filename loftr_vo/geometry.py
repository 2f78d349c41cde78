# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Two views of one scene: motion from matches, depth from motion.

Points are rays (N, 3) float64, normalised image coordinates (x / z, y / z, 1). A motion (R, t)
maps the first camera's coordinates to the second's: X1 = R X0 + t.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from loftr_vo.pose_refinement import Observations, refine_pose

# The five-point method needs five; USAC wants one more to verify with.
_FEWEST_POINTS = 6
_LEAST_WAY = 1e-6
# The robust fit after USAC: as many points as make it exact enough, and how many standard
# deviations the threshold is taken for.
_POLISHED_POINTS = 300
_DEVIATIONS = 3.0
_IDENTITY = np.eye(3)
# An error of a rotation whose square is below what a number holds.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class TwoView:
    """The motion between two views, up to its length.

    Attributes:
        rotation: (3, 3).
        direction: (3,) unit vector of the translation.
        inliers: (N,) bool.
    """

    rotation: np.ndarray
    direction: np.ndarray
    inliers: np.ndarray


def rays_from_points(points: np.ndarray) -> np.ndarray:
    """Append z = 1 to (N, 2) normalised image coordinates."""
    # Ray after ray, however the points lie: they are selected more often than computed with.
    rays = np.empty((len(points), 3))
    rays[:, :2], rays[:, 2] = points, 1.0
    return rays


def essential_motion(
    rays0: np.ndarray, rays1: np.ndarray, threshold: float, confidence: float = 0.9999
) -> TwoView | None:
    """Motion by an essential matrix, robustly (USAC, Raguram et al., PAMI 2013).

    OpenCV's USAC_DEFAULT: USAC_ACCURATE finds the same in fifteen times the time, and
    USAC_MAGSAC is pulled by gross outliers. It ends in a least-squares fit, which outliers that
    are left still pull, so a robust one follows.

    Args:
        rays0, rays1: (N, 3) matched rays.
        threshold: largest distance of an inlier from its epipolar line, in units of z = 1.
        confidence: that the best model was seen.

    Returns:
        None where there are too few points or no model that puts them in front of both cameras.
    """
    if len(rays0) < _FEWEST_POINTS:
        return None
    # OpenCV seeds USAC with a constant, so the same matches give the same motion.
    essential, mask = cv2.findEssentialMat(
        np.ascontiguousarray(rays0[:, :2]),
        np.ascontiguousarray(rays1[:, :2]),
        np.eye(3),
        method=cv2.USAC_DEFAULT,
        prob=confidence,
        threshold=threshold,
    )
    if essential is None or essential.shape != (3, 3) or mask is None or not mask.any():
        return None
    near = mask[:, 0] > 0
    rotation, direction = _in_front(essential, rays0[near], rays1[near])
    for _ in range(2):  # the second time without the outliers that the first has shown
        agreed = np.flatnonzero(near)
        some = agreed[:: max(1, len(agreed) // _POLISHED_POINTS)]
        if len(some) < _FEWEST_POINTS:
            break
        rotation, direction = _polished(rays0[some], rays1[some], rotation, direction, threshold)
        near = np.abs(epipolar_distance(rays0, rays1, rotation, direction)) < threshold
    return TwoView(rotation, direction, near)


def planar_motions(
    rays0: np.ndarray, rays1: np.ndarray, threshold: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Motions that would explain the matches if all points lay on one plane.

    A plane has two (Longuet-Higgins: The reconstruction of a plane surface from two perspective
    projections, 1986), by the homography between its pictures.

    Args:
        rays0, rays1: (N, 3) matched rays.
        threshold: largest distance of a match on the plane, in units of z = 1.

    Returns:
        Rotations (3, 3) with unit translations (3,), with most points in front of the camera.
    """
    points0, points1 = (np.ascontiguousarray(rays[:, :2]) for rays in (rays0, rays1))
    if len(points0) < _FEWEST_POINTS:
        return []
    homography, _ = cv2.findHomography(points0, points1, cv2.USAC_DEFAULT, threshold)
    if homography is None:
        return []
    _, rotations, translations, _ = cv2.decomposeHomographyMat(homography, np.eye(3))
    motions = []
    for rotation, translation in zip(rotations, translations, strict=True):
        length = float(np.linalg.norm(translation))
        if length < _LEAST_WAY:  # of the plane's distance: the camera turned
            continue
        direction = translation[:, 0] / length
        if np.mean(inverse_depth(rays0, rays1, rotation, direction) > 0) > 0.5:
            motions.append((rotation, direction))
    return motions


def _in_front(
    essential: np.ndarray, rays0: np.ndarray, rays1: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of the four motions of an essential matrix, the one with most points before both cameras."""
    rotation0, rotation1, direction = cv2.decomposeEssentialMat(essential)
    motions = [
        (rotation, sign * direction[:, 0])
        for rotation in (rotation0, rotation1)
        for sign in (1.0, -1.0)
    ]

    def points_in_front(motion: tuple[np.ndarray, np.ndarray]) -> int:
        rho = inverse_depth(rays0, rays1, *motion)
        # Depth in the second view, over that in the first.
        ratio = rays0 @ motion[0][2] + rho * motion[1][2]
        return int(np.sum((rho > 0) & (ratio > 0)))

    return max(motions, key=points_in_front)


def _polished(
    rays0: np.ndarray,
    rays1: np.ndarray,
    rotation: np.ndarray,
    direction: np.ndarray,
    threshold: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Refine a motion robustly, with all depths free."""
    count = len(rays0)
    free = Observations(
        rays0,
        rays1,
        np.broadcast_to(np.eye(2) * (_DEVIATIONS / threshold), (count, 2, 2)),
        inverse_depth(rays0, rays1, rotation, direction),
        np.full(count, 1e6),
    )
    refined = refine_pose(free, rotation, direction, fixed_length=True)
    return refined.rotation, refined.translation


def epipolar_distance(
    rays0: np.ndarray, rays1: np.ndarray, rotation: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """Sampson's distance (N,) of matches from their epipolar lines, with its sign."""
    essential = skew(direction) @ rotation
    a, b, c = essential @ rays0.T
    d, e = essential.T[:2] @ rays1.T
    x, y, z = rays1.T
    distance: np.ndarray = (x * a + y * b + z * c) / np.sqrt(a * a + b * b + d * d + e * e + 1e-18)
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
    turned = rays0 @ rotation.T
    a = np.cross(rays1, np.broadcast_to(translation, rays1.shape))
    b = np.cross(rays1, turned)
    return -np.sum(a * b, axis=1) / np.maximum(np.sum(a * a, axis=1), 1e-18)


def translation_from_depth(
    rays0: np.ndarray, rays1: np.ndarray, inverse_depths: np.ndarray, rotation: np.ndarray
) -> np.ndarray:
    """Translation (3,) by least squares, given the rotation and inverse depths (N,)."""
    turned = rays0 @ rotation.T
    y = rays1
    zero = np.zeros(len(y))
    cross = np.stack(
        [zero, -y[:, 2], y[:, 1], y[:, 2], zero, -y[:, 0], -y[:, 1], y[:, 0], zero], axis=1
    ).reshape(-1, 3, 3)
    a = cross * inverse_depths[:, None, None]
    b = -np.cross(y, turned)
    return np.linalg.lstsq(a.reshape(-1, 3), b.reshape(-1), rcond=None)[0]


def transform(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(4, 4) matrix of a motion, its rotation freed of rounding.

    Poses are made from poses without end, and the transpose stands for the inverse: unless each
    rotation is brought back to SO(3), rounding grows until they are rotations no longer.
    """
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = _nearest_rotation(rotation), translation
    return matrix


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """(3, 3), the polar factor of one that is a rotation but for some error."""
    error = matrix.T @ matrix - _IDENTITY
    if np.abs(error).max() < _ROUNDING:
        # The first terms of its series; a fifth of the time of an SVD.
        return matrix - matrix @ error / 2
    u, _, v = np.linalg.svd(matrix)
    nearest: np.ndarray = u @ v
    return nearest


def split(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and translation (3,) of a (4, 4) motion."""
    return matrix[:3, :3], matrix[:3, 3]


def inverse_transform(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a (4, 4) rigid motion."""
    rotation = matrix[:3, :3].T
    return transform(rotation, -rotation @ matrix[:3, 3])


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 3) points moved by a (4, 4) motion."""
    moved: np.ndarray = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def skew(vector: np.ndarray) -> np.ndarray:
    """(3, 3) matrix of the cross product with (3,) ``vector``."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
