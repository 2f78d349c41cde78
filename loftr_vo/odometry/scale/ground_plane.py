# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scale from the height of the camera: the ground plane in the depths of the cells below.

A plane with normal n at distance h from the camera has n . X = h. With X = x / rho, x the ray of a
cell and rho its inverse depth, that is rho = (n / h) . x, linear in the unknown n / h. A camera of
constant height moves parallel to the ground, which constrains the tilt in the direction of motion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.robust_cost import SIGMA_PER_MAD
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.scale.cell_depth import NoReading
from loftr_vo.odometry.scale.scale_filter import Reading
from loftr_vo.odometry.scale.tuning import GROUND, TUNING


@dataclass(frozen=True, eq=False)
class Plane:
    """The ground plane in a keyframe.

    Attributes:
        normal: (3,) unit vector in the camera, down.
        height: of the camera over it, in the odometry's unit.
        sigma: relative standard deviation of the height.
    """

    normal: np.ndarray
    height: float
    sigma: float


class GroundScale:
    """Measures the scale by the ground plane.

    Args:
        camera_height: of the camera over the ground, in metres.
        down: (3,) unit vector in the camera that is down as the camera is mounted.
    """

    def __init__(self, camera_height: float, down: np.ndarray) -> None:
        self._camera_height = camera_height
        self._mounted = down / np.linalg.norm(down)
        self._down: np.ndarray | None = None

    def reading(self, keyframe: Keyframe, after: Keyframe) -> Reading:
        """Return the scale by the ground plane in a keyframe.

        Args:
            keyframe: with its cells' depths.
            after: the next one; the motion between them is parallel to the ground.

        Raises:
            NoReading: no ground is found, or its height is too uncertain.
        """
        step = keyframe.pose[:3, :3].T @ (after.pose[:3, 3] - keyframe.pose[:3, 3])
        ahead = step / max(float(np.linalg.norm(step)), 1e-12)
        if self._down is None:
            tilt = Tilt(self._mounted, ahead, GROUND.max_tilt, GROUND.tilt_sigma)
            plane = fit_ground(keyframe, tilt)
            self._down = plane.normal
        else:
            tilt = Tilt(self._down, ahead, GROUND.max_tilt_change, GROUND.tilt_change_sigma)
            plane = fit_ground(keyframe, tilt)
            down = (1 - GROUND.smoothing) * self._down + GROUND.smoothing * plane.normal
            self._down = down / np.linalg.norm(down)
        return Reading(
            math.log(self._camera_height / plane.height), max(GROUND.min_sigma, plane.sigma)
        )


@dataclass(frozen=True, eq=False)
class Tilt:
    """The prior of the ground's normal.

    Attributes:
        down: (3,) unit vector, the expected normal.
        ahead: (3,) unit vector parallel to the ground; zero where that is not known.
        most: radians by which the normal may differ from ``down``.
        sigma: radians, standard deviation of that.
    """

    down: np.ndarray
    ahead: np.ndarray
    most: float
    sigma: float

    @property
    def normal(self) -> np.ndarray:
        """(3,) expected normal by both."""
        level = self.down - (self.down @ self.ahead) * self.ahead
        return level / np.linalg.norm(level)

    def allows(self, planes: np.ndarray) -> np.ndarray:
        """Whether planes (N, 3), normal / h each, may be the ground; (N,) bool."""
        length = np.linalg.norm(planes, axis=1)
        upright = planes @ self.down > np.cos(self.most) * length
        return upright & (np.abs(planes @ self.ahead) < np.sin(GROUND.max_slope) * length)

    def rows(self, length: float) -> np.ndarray:
        """(R, 3) constraints: their products with normal / h are zero, in standard deviations.

        Args:
            length: of normal / h.
        """
        across = np.linalg.svd(self.normal[None])[2][1:] / self.sigma
        return np.vstack([across, self.ahead / GROUND.slope_sigma]) / length


def fit_ground(keyframe: Keyframe, tilt: Tilt) -> Plane:
    """Find the ground plane: robustly, level within its prior, with hardly anything below it.

    Args:
        keyframe: with its cells' depths.
        tilt: prior of the normal.

    Raises:
        NoReading: there is none.
    """
    down = tilt.normal
    steep = keyframe.rays @ down > GROUND.min_depression * np.linalg.norm(keyframe.rays, axis=1)
    seen = np.flatnonzero(steep & keyframe.known)
    if len(seen) < GROUND.min_cells:
        raise NoReading(f'only {len(seen)} cells with depth below the horizon')
    rays, rho = keyframe.rays[seen], keyframe.inverse_depth[seen]
    sigma = np.sqrt(keyframe.variance[seen] + (GROUND.roughness * rho) ** 2)
    scaled = _most_agreeing(rays, rho, sigma, tilt)
    for _ in range(GROUND.rounds):
        error = (rho - rays @ scaled) / sigma
        inliers = np.abs(error) < GROUND.inlier_sigmas
        # With good depth the plane is sharp, and what stands on it is left out.
        measured = SIGMA_PER_MAD * np.median(np.abs(error[inliers]))
        sigma = sigma * np.clip(measured, GROUND.min_sigma_factor, 1.0)
        inliers = np.abs(rho - rays @ scaled) < GROUND.inlier_sigmas * sigma
        if inliers.sum() < max(GROUND.min_cells, GROUND.min_ground_ratio * len(seen)):
            raise NoReading(
                f'only {inliers.sum()} of {len(seen)} cells below the horizon are level'
            )
        level = tilt.rows(float(np.linalg.norm(scaled)))
        scaled, covariance = _least_squares(rays[inliers], rho[inliers], sigma[inliers], level)
    error = (rho - rays @ scaled) / (GROUND.roughness * rho)
    # Nothing is below the ground; cells below mean that the plane is a table.
    if np.sum(error < -2 * GROUND.inlier_sigmas) > GROUND.max_below_ratio * inliers.sum():
        raise NoReading('more is seen below the lowest plane than on it')
    length = float(np.linalg.norm(scaled))
    normal = scaled / length
    # height = 1 / |scaled|, so its relative error is that of the length.
    relative = float(np.sqrt(normal @ covariance @ normal)) / length
    if not tilt.allows(scaled[None]).all():
        raise NoReading('the ground is tilted more than a camera is')
    if relative > GROUND.max_sigma:
        raise NoReading(f'the height over the ground is known to {relative:.0%} only')
    return Plane(normal, 1 / length, relative)


def _most_agreeing(rays: np.ndarray, rho: np.ndarray, sigma: np.ndarray, tilt: Tilt) -> np.ndarray:
    """MSAC over level planes through one cell and tilted ones through three; (3,) normal / h."""
    # A constant seed, so that the same frames give the same trajectory.
    rng = np.random.default_rng(0)
    triples = rng.integers(0, len(rays), (GROUND.trials, 3))
    matrices = rays[triples]  # (T, 3, 3)
    usable = np.abs(np.linalg.det(matrices)) > 1e-6
    tilted = np.linalg.solve(matrices[usable], rho[triples[usable]][..., None])[..., 0]
    tilted = tilted[tilt.allows(tilted)]
    level = (rho / (rays @ tilt.normal))[triples[:, :1]] * tilt.normal
    planes = np.concatenate([level, tilted])
    error = np.minimum(np.abs(rho - planes @ rays.T) / sigma, GROUND.inlier_sigmas)
    best: np.ndarray = planes[np.argmin(np.sum(error**2, axis=1))]
    return best


def _least_squares(
    rays: np.ndarray, rho: np.ndarray, sigma: np.ndarray, level: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fit normal / h, (3,), and its covariance (3, 3)."""
    weighted = rays / sigma[:, None]
    freedom = max(len(rho) - 3, 1)
    # Errors of neighbouring cells are correlated.
    information = weighted.T @ weighted / TUNING.correlated_cells
    covariance = np.linalg.inv(information + level.T @ level)
    solution = covariance @ (weighted.T @ (rho / sigma) / TUNING.correlated_cells)
    excess = float(np.sum((weighted @ solution - rho / sigma) ** 2)) / freedom
    return solution, covariance * max(1.0, excess)
