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
# The camera's tilt against how it is mounted, at most, and its standard deviation; once known,
# against what it was. Tilt and height are hard to tell apart, so that the less the tilt is open
# the surer is the height.
_TILT, _TILT_SIGMA = math.radians(25.0), math.radians(10.0)
_TILT_CHANGE, _TILT_CHANGE_SIGMA = math.radians(5.0), math.radians(1.0)
_FEWEST = 25
# Least share of the cells below the horizon that the ground must have.
_SHARE = 0.25
# Beyond so many standard deviations a cell is no part of the plane.
_CONSISTENT = 2.5
# Relative standard deviation of a cell's inverse depth at the least: ground is uneven, and the
# depth of near ground, which fast motion smears, is the least sure of all.
_UNEVEN = 0.06
# With this share of as many cells lower than a plane, it is a table or a pavement.
_LOWER = 0.3
_TRIALS, _ROUNDS = 200, 5
# By which the standard deviation of cells shrinks in one round, at most.
_SHARPEST = 0.6
_LARGEST_SIGMA = 0.1
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
            plane = fit_ground(keyframe, self._mounted, _TILT, _TILT_SIGMA)
            self._down = plane.normal
        else:
            plane = fit_ground(keyframe, self._down, _TILT_CHANGE, _TILT_CHANGE_SIGMA)
            down = (1 - _SMOOTHING) * self._down + _SMOOTHING * plane.normal
            self._down = down / np.linalg.norm(down)
        return Reading(
            math.log(self._camera_height / plane.height), max(_LEAST_SIGMA, plane.sigma)
        )


def fit_ground(keyframe: Keyframe, down: np.ndarray, tilt: float, tilt_sigma: float) -> Plane:
    """Find the lowest plane that many cells agree on.

    Args:
        keyframe: whose cells have depth.
        down: (3,) unit vector, expected normal.
        tilt: radians by which the normal may differ from it.
        tilt_sigma: standard deviation of that.

    Raises:
        NoReading: there is none.
    """
    steep = keyframe.rays @ down > _BELOW * np.linalg.norm(keyframe.rays, axis=1)
    seen = np.flatnonzero(steep & keyframe.known)
    if len(seen) < _FEWEST:
        raise NoReading(f'only {len(seen)} cells with depth below the horizon')
    rays, rho = keyframe.rays[seen], keyframe.inverse_depth[seen]
    sigma = np.sqrt(keyframe.variance[seen] + (_UNEVEN * rho) ** 2)
    scaled = _most_agreeing(rays, rho, sigma, down, tilt)
    for _ in range(_ROUNDS):
        error = (rho - rays @ scaled) / sigma
        inliers = np.abs(error) < _CONSISTENT
        # Good depth makes the ground sharp, and then what stands on it is no part of it.
        sigma = sigma * np.clip(1.4826 * np.median(np.abs(error[inliers])), _SHARPEST, 1.0)
        inliers = np.abs(rho - rays @ scaled) < _CONSISTENT * sigma
        if inliers.sum() < max(_FEWEST, _SHARE * len(seen)):
            raise NoReading(
                f'only {inliers.sum()} of {len(seen)} cells below the horizon are level'
            )
        level = _level_rows(down, tilt_sigma * float(np.linalg.norm(scaled)))
        scaled, covariance = _least_squares(rays[inliers], rho[inliers], sigma[inliers], level)
    error = (rho - rays @ scaled) / (_UNEVEN * rho)
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
    """MSAC over level planes through one cell and tilted ones through three; (3,) normal / h."""
    # A constant seed: the same frames give the same trajectory.
    rng = np.random.default_rng(0)
    triples = rng.integers(0, len(rays), (_TRIALS, 3))
    matrices = rays[triples]  # (T, 3, 3)
    usable = np.abs(np.linalg.det(matrices)) > 1e-6
    tilted = np.linalg.solve(matrices[usable], rho[triples[usable]][..., None])[..., 0]
    tilted = tilted[tilted @ down > np.cos(tilt) * np.linalg.norm(tilted, axis=1)]
    level = (rho / (rays @ down))[triples[:, :1]] * down
    planes = np.concatenate([level, tilted])
    error = np.minimum(np.abs(rho - planes @ rays.T) / sigma, _CONSISTENT)
    best: np.ndarray = planes[np.argmin(np.sum(error**2, axis=1))]
    return best


def _level_rows(down: np.ndarray, sigma: float) -> np.ndarray:
    """(2, 3) rows that hold normal / h along ``down``, in standard deviations."""
    return np.linalg.svd(down[None])[2][1:] / sigma


def _least_squares(
    rays: np.ndarray, rho: np.ndarray, sigma: np.ndarray, level: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fit normal / h, (3,), and its covariance (3, 3)."""
    weighted = rays / sigma[:, None]
    freedom = max(len(rho) - 3, 1)
    # Neighbouring cells err alike; see `cell_depth`.
    information = weighted.T @ weighted / 9.0
    covariance = np.linalg.inv(information + level.T @ level)
    solution = covariance @ (weighted.T @ (rho / sigma) / 9.0)
    excess = float(np.sum((weighted @ solution - rho / sigma) ** 2)) / freedom
    return solution, covariance * max(1.0, excess)
