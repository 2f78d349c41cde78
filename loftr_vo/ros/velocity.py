# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The body's velocity from one pose to the next, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.ros.body import rotate_covariance, twist

# Variance of a velocity that nothing is known of; as large as a filter takes without trouble.
UNKNOWN = 1e4
# Smallest variance of a motion: a covariance that is singular makes filters diverge.
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Moment:
    """Where the body was at a time.

    Attributes:
        stamp: nanoseconds.
        pose: (4, 4) of the body in odom.
        covariance: (6, 6) of the pose, in odom's axes.
        keyframe: number of the keyframe that the pose was measured against.
    """

    stamp: int
    pose: np.ndarray
    covariance: np.ndarray
    keyframe: int


class VelocityMeter:
    """Gives the mean velocity between consecutive moments.

    Poses against one keyframe share its uncertainty, which is no uncertainty of the motion
    between them; it is taken out. A new keyframe is as uncertain as the pose before it.
    """

    def __init__(self) -> None:
        self._before: Moment | None = None
        self._keyframe_covariance = np.zeros((6, 6))

    def measure(self, now: Moment) -> tuple[np.ndarray, np.ndarray]:
        """Return the (6,) twist in the body's axes and its (6, 6) covariance.

        Both are of the time since the last call; the first time nothing is known.
        """
        before, self._before = self._before, now
        if before is None:
            return np.zeros(6), UNKNOWN * np.eye(6)
        if now.keyframe != before.keyframe:
            self._keyframe_covariance = before.covariance
        seconds = (now.stamp - before.stamp) * 1e-9
        motion = before.covariance + now.covariance - 2 * self._keyframe_covariance
        covariance = rotate_covariance(_positive(motion), now.pose[:3, :3].T) / seconds**2
        return twist(before.pose, now.pose, seconds), covariance


def _positive(covariance: np.ndarray) -> np.ndarray:
    """Return the nearest covariance that no direction is negative in."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, _SMALLEST)) @ vectors.T
