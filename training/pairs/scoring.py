# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the matches of a pair are worth: the motion that an essential matrix gets out of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.pairs.cases import Pair
from training.pairs.methods import Method

THRESHOLD = 1.0  # pixels
SOLVED_ROTATION, SOLVED_DIRECTION = 5.0, 20.0  # degrees
EXACT_ROTATION, EXACT_DIRECTION = 1.0, 5.0
_FEWEST_POINTS = 8
# In baselines: points beyond OpenCV's own limit, 50, count too.
_FARTHEST = 1e6


@dataclass(frozen=True)
class CaseScore:
    """A method on the pairs of a case.

    Attributes:
        pairs: how many.
        rotation_deg: median error; a pair without a motion counts as 180.
        direction_deg: median error of the direction of the translation, likewise.
        solved: share of pairs with errors under 5 and 20 degrees.
        exact: under 1 and 5 degrees.
        matches: median number.
    """

    pairs: int
    rotation_deg: float
    direction_deg: float
    solved: float
    exact: float
    matches: float


def score_case(method: Method, pairs: list[Pair]) -> CaseScore:
    """Match and solve every pair."""
    errors, counts = [], []
    for pair in pairs:
        points0, points1 = method(pair.image0, pair.image1)
        errors.append(motion_errors(pair, points0, points1))
        counts.append(len(points0))
    rotation, direction = np.array(errors).T
    solved = (rotation < SOLVED_ROTATION) & (direction < SOLVED_DIRECTION)
    exact = (rotation < EXACT_ROTATION) & (direction < EXACT_DIRECTION)
    return CaseScore(
        len(pairs),
        float(np.median(rotation)),
        float(np.median(direction)),
        float(solved.mean()),
        float(exact.mean()),
        float(np.median(counts)),
    )


def motion_errors(pair: Pair, points0: np.ndarray, points1: np.ndarray) -> tuple[float, float]:
    """Return the errors of rotation and direction in degrees; 180 where there is no motion."""
    rays0, rays1 = pair.camera.undistort(points0), pair.camera.undistort(points1)
    known = np.isfinite(rays0).all(axis=1) & np.isfinite(rays1).all(axis=1)
    if known.sum() < _FEWEST_POINTS:
        return 180.0, 180.0
    focal = pair.camera.focal
    rays0, rays1 = rays0[known] * focal, rays1[known] * focal
    matrix = np.diag([focal, focal, 1.0])
    essential, mask = cv2.findEssentialMat(
        rays0, rays1, matrix, cv2.USAC_MAGSAC, 0.9999, THRESHOLD
    )
    if essential is None or essential.shape != (3, 3):
        return 180.0, 180.0
    _, rotation, direction, _, _ = cv2.recoverPose(
        essential, rays0, rays1, matrix, distanceThresh=_FARTHEST, mask=mask
    )
    true = pair.motion[:3, 3]
    cosine = float(direction[:, 0] @ true / max(np.linalg.norm(true), 1e-12))
    return (
        _angle(rotation @ pair.motion[:3, :3].T),
        float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
    )


def _angle(rotation: np.ndarray) -> float:
    """Angle of a rotation in degrees; exact for small ones too, which the trace alone is not."""
    sine = np.linalg.norm(rotation - rotation.T) / np.sqrt(8)
    return float(np.degrees(np.arctan2(sine, (np.trace(rotation) - 1) / 2)))
