# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The body's velocity from one pose to the next, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.rotation import rotate_covariance
from loftr_vo.ros.body import twist

# Variance of a velocity that nothing is known of; as large as a filter takes without trouble.
UNKNOWN = 1e4
# Smallest variance of a motion: a covariance that is singular makes filters diverge.
_SMALLEST = 1e-12
# Share of the variance of a pose against a keyframe that the next pose against it has too:
# the keyframe's own half of the errors of matches, and of its depths. On rendered sequences it
# leaves three of four normalised errors of the velocity inside their 95 % bounds, most of the
# others below.
_SHARED = 0.65


@dataclass(frozen=True, eq=False)
class Moment:
    """Where the body was at a time.

    Attributes:
        stamp: nanoseconds.
        pose: (4, 4) of the body in odom.
        covariance: (6, 6) of the pose, in odom's axes.
        keyframe: number of the keyframe that the pose was measured against.
        since_keyframe: (6, 6), the covariance of the motion since that keyframe alone; None where
            the pose was not measured.
        scale_deviation: standard deviation of the scale, relative.
    """

    stamp: int
    pose: np.ndarray
    covariance: np.ndarray
    keyframe: int
    since_keyframe: np.ndarray | None = None
    scale_deviation: float = 0.0


class VelocityMeter:
    """Gives the mean velocity between consecutive moments.

    Poses against one keyframe share its uncertainty, which is no uncertainty of the motion
    between them; and most of their own, since it comes of the same cells and the same depths.
    """

    def __init__(self) -> None:
        self._before: Moment | None = None

    def measure(self, now: Moment) -> tuple[np.ndarray, np.ndarray]:
        """Return the (6,) twist in the body's axes and its (6, 6) covariance.

        Both are of the time since the last call; the first time nothing is known.
        """
        before, self._before = self._before, now
        if before is None:
            return np.zeros(6), UNKNOWN * np.eye(6)
        seconds = (now.stamp - before.stamp) * 1e-9
        motion = _motion_covariance(before, now) + _SMALLEST * np.eye(6)
        covariance = rotate_covariance(motion, now.pose[:3, :3].T) / seconds**2
        return twist(before.pose, now.pose, seconds), covariance


def _motion_covariance(before: Moment, now: Moment) -> np.ndarray:
    """Covariance (6, 6) of the motion between two moments, in odom's axes."""
    if before.since_keyframe is None or now.since_keyframe is None:
        return before.covariance + now.covariance
    if now.keyframe == before.keyframe:
        motion = (1 - _SHARED) * (before.since_keyframe + now.since_keyframe)
    else:
        # The new keyframe is the frame before, or one as near.
        motion = now.since_keyframe.copy()
    way = now.pose[:3, 3] - before.pose[:3, 3]
    motion[:3, :3] += now.scale_deviation**2 * np.outer(way, way)
    return motion
