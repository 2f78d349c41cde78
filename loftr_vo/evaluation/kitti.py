# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The segment errors of KITTI's odometry benchmark (Geiger et al., CVPR 2012)."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.trajectory import Trajectory

# Lengths in metres of the segments that the benchmark scores.
KITTI_LENGTHS = (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0)


def kitti_errors(estimated: Trajectory, true: Trajectory) -> tuple[float, float]:
    """Return the errors over segments of all lengths together.

    From every pose on, the motion to the first pose that lies at least a segment's length
    further along the true path is compared with the true motion. Segments are 100, 200, ...
    800 m long, as many of these as fit; where the whole path is no longer than 100 m, they are
    10 %, 20 %, ... 80 % of it.

    Args:
        estimated: scaled to metres.
        true: the true poses at the same frames.

    Returns:
        Mean translation error in percent of the length, mean rotation error in degrees per
        metre; NaN where no segment fits.
    """
    total = true.path_length
    lengths = KITTI_LENGTHS if total > KITTI_LENGTHS[0] else np.linspace(0.1, 0.8, 8) * total
    errors = [segment_errors(estimated, true, length) for length in lengths]
    translations = np.concatenate([translation for translation, _ in errors])
    rotations = np.concatenate([rotation for _, rotation in errors])
    if not translations.size:
        return float('nan'), float('nan')
    return 100.0 * float(np.mean(translations)), float(np.degrees(np.mean(rotations)))


def segment_errors(
    estimated: Trajectory, true: Trajectory, length: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors over the segments of one length, one for each pose that begins one.

    Args:
        estimated: scaled to metres.
        true: the true poses at the same frames.
        length: in metres.

    Returns:
        Translation errors (M,) as a share of the length, rotation errors (M,) in radians per
        metre; empty where no segment fits.
    """
    along = true.distances
    ends = np.searchsorted(along, along + length)
    starts = np.flatnonzero((ends < len(along)) & (length > 0.0))
    if starts.size == 0:
        return np.empty(0), np.empty(0)
    ends = ends[starts]
    error = _relative(_motions(true, starts, ends), _motions(estimated, starts, ends))
    return (
        np.linalg.norm(error[:, :3, 3], axis=1) / length,
        Rotation.from_matrix(error[:, :3, :3]).magnitude() / length,
    )


def _motions(trajectory: Trajectory, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return _relative(trajectory.poses[starts], trajectory.poses[ends])


def _relative(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.linalg.inv(first) @ second
