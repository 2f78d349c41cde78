# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Consistency of the covariances with the errors (NEES).

The normalised error (squared) of a pose is e^T P^-1 e, of its error e = (position, rotation) and
its covariance P. Where P is right it is distributed as chi squared with six degrees of freedom
(Bar-Shalom, Li, Kirubarajan: Estimation with Applications to Tracking and Navigation, 2001,
section 5.4), so it lies between its 2.5 and 97.5 percentiles in 95 of a hundred poses. Above, the
covariance is too small; below, too large.

The scale of one camera is not observable, so the truth is first transformed to the odometry's
world and unit. The world is the camera at the first frame; in the unit, the first measured motion
has its true length. All drift of the scale from there on is error, and the scale's part of the
covariance has to account for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from loftr_vo.odometry.estimate import Estimate, State

BOUNDS = tuple(chi2.ppf([0.025, 0.975], 6))


def normalised_errors(estimates: Sequence[Estimate], true_poses: np.ndarray) -> np.ndarray:
    """Return the normalised error (M,) of the tracked poses after the first.

    Args:
        estimates: N, of consecutive frames, the first of them the world's origin.
        true_poses: (N, 4, 4), world from camera.

    Raises:
        ValueError: nothing is tracked, or the camera had not moved when it was first.
    """
    tracked = [i for i, each in enumerate(estimates) if each.state is State.TRACKING]
    truth = in_unit_of(estimates, true_poses)
    return np.array(
        [
            _normalised(_error(truth[i], estimates[i].pose), estimates[i].covariance)
            for i in tracked[1:]
        ]
    )


def inside(normalised: np.ndarray) -> float:
    """Share of normalised errors (N,) within their 95 % bounds."""
    return float(np.mean((normalised > BOUNDS[0]) & (normalised < BOUNDS[1])))


def in_unit_of(estimates: Sequence[Estimate], true_poses: np.ndarray) -> np.ndarray:
    """Return the true poses (N, 4, 4) in the world and the unit of the estimates.

    Raises:
        ValueError: nothing is tracked, or the camera had not moved when it was first.
    """
    truth = np.linalg.inv(true_poses[0]) @ true_poses
    first = next((i for i, e in enumerate(estimates) if e.state is State.TRACKING), None)
    if first is None:
        raise ValueError('nothing is tracked, so there is no unit')
    way = float(np.linalg.norm(truth[first, :3, 3]))
    if way < 1e-9:
        raise ValueError('the camera has not moved, so there is no unit')
    truth[:, :3, 3] *= float(np.linalg.norm(estimates[first].pose[:3, 3])) / way
    return truth


def _error(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Position and rotation (6,), as the covariance of an ``Estimate`` has them."""
    turn = Rotation.from_matrix(true[:3, :3] @ found[:3, :3].T).as_rotvec()
    return np.concatenate([true[:3, 3] - found[:3, 3], turn])


def _normalised(error: np.ndarray, covariance: np.ndarray) -> float:
    return float(error @ np.linalg.solve(covariance, error))
