# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The error of a calibration from the matches of two views, whatever the motion between them.

With a wrong focal length, or a distortion left out, no motion explains all matches of two views:
their epipolar residuals form a pattern over the picture. The pattern is nearly linear in the error
of the calibration, so one Gauss-Newton step with the motion eliminated (Schur complement) measures
it. Two views without rotation do not determine the focal length (Hartley and Zisserman, 2nd ed.,
19.3): its information is then zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from loftr_vo.geometry.epipolar import by_pixel_coordinates
from loftr_vo.geometry.matrix2x2 import inverse
from loftr_vo.geometry.rigid_motion import skew
from loftr_vo.geometry.robust_cost import SIGMA_PER_MAD, cauchy_weights, upper_median
from loftr_vo.imaging.camera import Camera
from loftr_vo.odometry.calibration.tuning import TUNING

_MOTION = 5  # parameters of an essential matrix


@dataclass(frozen=True, eq=False)
class PairMatches:
    """N matches of two views, as the calibration has their rays.

    Attributes:
        camera: the calibration, of both views.
        rays0: (N, 3) in the first view, z = 1; they are taken as exact.
        rays1: (N, 3) in the second view, z = 1.
        whitening: (N, 2, 2), converts an error of rays1 at z = 1 into standard deviations.
        pixels0: (N, 2) of rays0.
        pixels1: (N, 2) of rays1.
        by_pixel0: (N, 2, 2), derivatives of the x and y of rays0 by the pixel.
        by_pixel1: (N, 2, 2), the same of rays1.
    """

    camera: Camera
    rays0: np.ndarray
    rays1: np.ndarray
    whitening: np.ndarray
    pixels0: np.ndarray
    pixels1: np.ndarray
    by_pixel0: np.ndarray
    by_pixel1: np.ndarray

    @cached_property
    def by_whitened(self) -> np.ndarray:
        """(N, 2, 2), derivatives of the x and y of rays1 by the errors in standard deviations."""
        return inverse(self.whitening)

    @cached_property
    def pixel_by_ray1(self) -> np.ndarray:
        """(N, 2, 2), derivatives of pixels1 by the x and y of rays1."""
        return inverse(self.by_pixel1)


@dataclass(frozen=True, eq=False)
class CalibrationEquations:
    """Normal equations of the calibration's error: information @ error = gradient.

    Attributes:
        information: (2, 2), in units of the residuals' own spread.
        gradient: (2,).
        count: number of matches.
    """

    information: np.ndarray
    gradient: np.ndarray
    count: int


@dataclass(frozen=True, eq=False)
class _Linearised:
    """Residuals (N,) in standard deviations, and their derivatives (N, 5) and (N, 2)."""

    residuals: np.ndarray
    by_motion: np.ndarray
    by_calibration: np.ndarray


def corner_distance(camera: Camera) -> float:
    """Return half of the picture's diagonal in pixels."""
    return float(np.hypot(camera.width, camera.height)) / 2


def pixel_shifts(camera: Camera, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much pixels have to move to undo a unit error of the calibration.

    The parameters act on the pixel and so do not depend on the lens model: the ray of a pixel p is
    the calibration's ray of p + (focal + distortion share) d, where d = p - c, c is the principal
    point, share = (|d| / h)^2, and h is half of the picture's diagonal:

    - focal, of the focal length: 0.05 is a calibration whose focal length is 5 % too long;
    - distortion, the first radial term: a share of h at the distance h.

    Args:
        camera: the calibration.
        pixels: (N, 2).

    Returns:
        d (N, 2) in pixels, and share (N,).
    """
    from_centre = pixels - camera.matrix[:2, 2]
    x, y = from_centre.T
    return from_centre, (x * x + y * y) / corner_distance(camera) ** 2


def pair_equations(
    matches: PairMatches, rotation: np.ndarray, translation: np.ndarray
) -> CalibrationEquations | None:
    """Return the equations of the calibration's error from a pair, its motion eliminated.

    Args:
        matches: N of them.
        rotation: (3, 3), second view from first, approximately.
        translation: (3,), of any length.

    Returns:
        The equations; None where the matches do not determine the motion.
    """
    try:
        for _ in range(TUNING.motion_rounds):
            length = np.linalg.norm(translation)
            if length == 0:
                return None
            direction = translation / length
            linearised = _linearise(matches, rotation, direction)
            system, side = _normal_equations(linearised)
            moved = np.linalg.solve(system[:_MOTION, :_MOTION], side[:_MOTION])
            translation = direction - _across(direction).T @ moved[:2]
            rotation = cv2.Rodrigues(-moved[2:])[0] @ rotation
        coupling = np.linalg.solve(system[:_MOTION, :_MOTION], system[:_MOTION, _MOTION:])
    except np.linalg.LinAlgError:
        return None
    information = system[_MOTION:, _MOTION:] - system[_MOTION:, :_MOTION] @ coupling
    gradient = coupling.T @ side[:_MOTION] - side[_MOTION:]
    if not (np.isfinite(information).all() and np.isfinite(gradient).all()):
        return None
    return _without_noise(information, gradient, len(matches.rays0))


def _without_noise(
    information: np.ndarray, gradient: np.ndarray, count: int
) -> CalibrationEquations:
    """Return the equations of N matches without information that is due to their noise.

    The noise along the epipolar lines changes the derivatives by about the spread of the residuals
    in a match, and does not average out. So a direction of the parameters counts only by what it
    has beyond ``noise_information`` for each match, and not at all below.
    """
    values, vectors = np.linalg.eigh(information)
    share = np.maximum(1 - TUNING.noise_information * count / np.maximum(values, 1e-9), 0.0)
    kept = (vectors * share) @ vectors.T
    return CalibrationEquations(kept @ information, kept @ gradient, count)


def _linearise(matches: PairMatches, rotation: np.ndarray, direction: np.ndarray) -> _Linearised:
    """Return residuals and their derivatives by motion, direction (2) and rotation (3), and lens.

    The residual is Sampson's distance C / |dC/dy| in standard deviations of y, with
    C = y^T [t]x R x (Hartley and Zisserman, 2nd ed., 11.4.3), x exact and y measured. Derivatives
    are taken where y is moved onto its epipolar line: those at y itself correlate with its noise,
    which would be taken for an error of the calibration.
    """
    rays0 = matches.rays0
    essential = skew(direction) @ rotation
    lines1 = rays0 @ essential.T
    slopes = np.column_stack(by_pixel_coordinates(lines1[:, 0], lines1[:, 1], matches.by_whitened))
    norm = np.sqrt(np.sum(slopes**2, axis=1) + 1e-18)
    residuals = np.sum(matches.rays1 * lines1, axis=1) / norm
    error = _product(matches.by_whitened, slopes * (residuals / norm)[:, None])
    rays1 = matches.rays1.copy()
    rays1[:, :2] -= error
    pixels1 = matches.pixels1 - _product(matches.pixel_by_ray1, error)
    turned = rays0 @ rotation.T
    by_motion = np.hstack(
        [
            _cross(turned, rays1) @ _across(direction).T,
            _cross(turned, _cross(rays1, direction[None])),
        ]
    )
    by_calibration = _by_pixels(
        matches.camera, rays1 @ essential, matches.by_pixel0, matches.pixels0
    ) + _by_pixels(matches.camera, lines1, matches.by_pixel1, pixels1)
    return _Linearised(residuals, by_motion / norm[:, None], by_calibration / norm[:, None])


def _by_pixels(
    camera: Camera, lines: np.ndarray, by_pixel: np.ndarray, pixels: np.ndarray
) -> np.ndarray:
    """Derivatives (N, 2) of C by the calibration through the pixels of one view."""
    x, y = by_pixel_coordinates(lines[:, 0], lines[:, 1], by_pixel)
    from_centre, share = pixel_shifts(camera, pixels)
    by_focal = x * from_centre[:, 0] + y * from_centre[:, 1]
    return np.column_stack([by_focal, by_focal * share])


def _product(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Products (N, 2) of matrices (N, 2, 2), symmetric or not, with vectors (N, 2)."""
    a, b, c, d = matrices.reshape(-1, 4).T
    x, y = vectors.T
    return np.column_stack([a * x + b * y, c * x + d * y])


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cross products (N, 3), in a third of the time that numpy's take for a hundred."""
    x, y, z = one.T
    u, v, w = other.T
    return np.column_stack([y * w - z * v, z * u - x * w, x * v - y * u])


def _across(direction: np.ndarray) -> np.ndarray:
    """Two directions (2, 3) at right angles to this one and to each other."""
    products = skew(direction)
    one = products[:, np.abs(direction).argmin()]
    one = one / np.sqrt(one @ one)
    return np.stack([one, products @ one])


def _normal_equations(linearised: _Linearised) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations (7, 7) and (7,) of motion and calibration, weighted robustly.

    The weights are those of the residuals of a fit of both. With a fit of the motion alone, the
    matches that show an error of the calibration best are taken for outliers.
    """
    jacobian = np.hstack([linearised.by_motion, linearised.by_calibration])
    prior = np.diag([0.0] * _MOTION + [each**-2 for each in TUNING.prior])
    rest = linearised.residuals
    for last in [False] * (TUNING.weight_rounds - 1) + [True]:
        spread = max(SIGMA_PER_MAD * upper_median(np.abs(rest)), TUNING.min_spread)
        weights = cauchy_weights((rest / spread) ** 2) / spread**2
        weighted = jacobian * weights[:, None]
        system, side = weighted.T @ jacobian, weighted.T @ linearised.residuals
        if not last:
            rest = linearised.residuals - jacobian @ np.linalg.solve(system + prior, side)
    return system, side
