# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scale from the height of the camera: the ground's plane in the depth of the cells below.

A plane with normal n at distance h from the camera has n . X = h. With X = x / rho, x the ray of a
cell and rho its inverse depth, that is rho = (n / h) . x: linear in what is sought.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from loftr_vo.keyframe import Keyframe
from loftr_vo.scale.cell_depth import NoReading
from loftr_vo.scale.running_scale import Reading

# Sine of the angle under the horizon from which a cell may show the ground.
_BELOW = math.sin(math.radians(4.0))
# The camera's tilt against how it is mounted, at most; once known, against what it was.
_TILT, _TILT_CHANGE = math.radians(15.0), math.radians(5.0)
_FEWEST = 25
# Least share of the cells below the horizon that the ground must have.
_SHARE = 0.25
# Beyond these a cell is no part of the plane: standard deviations, and what no ground is flatter
# than, relative to inverse depth.
_CONSISTENT, _UNEVEN = 2.5, 0.02
# With this share of as many cells lower than a plane, it is a table or a pavement.
_LOWER = 0.15
_TRIALS = 200
_LARGEST_SIGMA = 0.05
# Of one reading: ground is uneven, and springs give way.
_LEAST_SIGMA = 0.01
# How much the tilt goes with each new plane.
_SMOOTHING = 0.2


@dataclass(frozen=True)
class Plane:
    """The ground as a keyframe has it.

    Attributes:
        normal: (3,) unit vector in the camera, down.
        height: of the camera over it, in the odometry's unit.
        sigma: relative standard deviation of the height.
    """

    normal: np.ndarray
    height: float
    sigma: float


class GroundScale:
    """Reads the scale off the ground.

    Args:
        camera_height: of the camera over the ground, in metres.
        down: (3,) unit vector in the camera that is down as the camera is mounted.
    """

    def __init__(self, camera_height: float, down: np.ndarray) -> None:
        self._camera_height = camera_height
        self._mounted = down / np.linalg.norm(down)
        self._down: np.ndarray | None = None

    def reading(self, keyframe: Keyframe) -> Reading:
        """Return what the ground under a keyframe says.

        Raises:
            NoReading: no ground is seen, or not surely.
        """
        if self._down is None:
            plane = fit_ground(keyframe, self._mounted, _TILT)
            self._down = plane.normal
        else:
            plane = fit_ground(keyframe, self._down, _TILT_CHANGE)
            down = (1 - _SMOOTHING) * self._down + _SMOOTHING * plane.normal
            self._down = down / np.linalg.norm(down)
        return Reading(
            math.log(self._camera_height / plane.height), max(_LEAST_SIGMA, plane.sigma)
        )


def fit_ground(keyframe: Keyframe, down: np.ndarray, tilt: float) -> Plane:
    """Find the lowest plane that many cells agree on.

    Args:
        keyframe: whose cells have depth.
        down: (3,) unit vector, expected normal.
        tilt: radians by which the normal may differ from it.

    Raises:
        NoReading: there is none.
    """
    steep = keyframe.rays @ down > _BELOW * np.linalg.norm(keyframe.rays, axis=1)
    seen = np.flatnonzero(steep & keyframe.known)
    if len(seen) < _FEWEST:
        raise NoReading(f'only {len(seen)} cells with depth below the horizon')
    rays, rho = keyframe.rays[seen], keyframe.inverse_depth[seen]
    sigma = np.sqrt(keyframe.variance[seen] + (_UNEVEN * rho) ** 2)
    inliers = _most_agreeing(rays, rho, sigma, down, tilt)
    if inliers.sum() < max(_FEWEST, _SHARE * len(seen)):
        raise NoReading(f'only {inliers.sum()} of {len(seen)} cells below the horizon are level')
    for _ in range(3):
        scaled, covariance = _least_squares(rays[inliers], rho[inliers], sigma[inliers])
        error = (rho - rays @ scaled) / sigma
        inliers = np.abs(error) < _CONSISTENT
    # Under the ground there is nothing, so cells that are seen there make it a table.
    if np.sum(error < -2 * _CONSISTENT) > _LOWER * inliers.sum():
        raise NoReading('more is seen below the lowest plane than on it')
    length = float(np.linalg.norm(scaled))
    normal = scaled / length
    # height = 1 / |scaled|, so its relative error is that of the length.
    relative = float(np.sqrt(normal @ covariance @ normal)) / length
    if np.arccos(np.clip(normal @ down, -1, 1)) > tilt:
        raise NoReading('the ground is tilted more than a camera is')
    if relative > _LARGEST_SIGMA:
        raise NoReading(f'the height over the ground is known to {relative:.0%} only')
    return Plane(normal, 1 / length, relative)


def _most_agreeing(
    rays: np.ndarray, rho: np.ndarray, sigma: np.ndarray, down: np.ndarray, tilt: float
) -> np.ndarray:
    """RANSAC over planes through three cells; (N,) bool."""
    # A constant seed: the same frames give the same trajectory.
    rng = np.random.default_rng(0)
    triples = rng.integers(0, len(rays), (_TRIALS, 3))
    matrices = rays[triples]  # (T, 3, 3)
    usable = np.abs(np.linalg.det(matrices)) > 1e-6
    if not usable.any():
        raise NoReading('the cells below the horizon lie in a line')
    planes = np.linalg.solve(matrices[usable], rho[triples[usable]][..., None])[..., 0]
    length = np.linalg.norm(planes, axis=1)
    level = planes @ down > np.cos(tilt) * length
    if not level.any():
        raise NoReading('no level plane below the horizon')
    planes = planes[level]
    agreeing = np.abs(rho - planes @ rays.T) < _CONSISTENT * sigma
    return agreeing[np.argmax(agreeing.sum(axis=1))]


def _least_squares(
    rays: np.ndarray, rho: np.ndarray, sigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    weighted = rays / sigma[:, None]
    covariance = np.linalg.pinv(weighted.T @ weighted, hermitian=True)
    solution = covariance @ (weighted.T @ (rho / sigma))
    freedom = max(len(rho) - 3, 1)
    excess = float(np.sum((weighted @ solution - rho / sigma) ** 2)) / freedom
    # Neighbouring cells err alike; see `cell_depth`.
    return solution, covariance * max(1.0, excess) * 9.0
