# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of a frame together with its rotation as a gyroscope measured it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from loftr_vo.geometry.rigid_motion import transform
from loftr_vo.geometry.rotation import rotation_vector
from loftr_vo.odometry.pose.pose_refinement import RefinedPose

# The 99.9th percentile of chi squared with three degrees of freedom.
_AGREEMENT = 16.27


@dataclass(frozen=True, eq=False)
class MeasuredTurn:
    """A rotation of the camera, by a gyroscope.

    Attributes:
        rotation: (3, 3), frame from keyframe.
        sigma: standard deviation about each axis, in radians.
        inflation: factor of the covariance by matches, which are not independent, beside it.
    """

    rotation: np.ndarray
    sigma: float
    inflation: float


def with_measured_turn(refined: RefinedPose, turn: MeasuredTurn) -> RefinedPose:
    """Return a pose and its depths by matches and the measured rotation.

    Near the solution the cost is quadratic, so that this is the solve with both: a normal
    distribution is conditioned. A rotation that contradicts the matches is left out.

    Args:
        refined: by matches, with the covariance of matches that are independent.
        turn: as measured.
    """
    covariance = refined.covariance * turn.inflation
    off = rotation_vector(turn.rotation @ refined.rotation.T)
    spread = covariance[3:, 3:] + turn.sigma**2 * np.eye(3)
    if off @ np.linalg.solve(spread, off) > _AGREEMENT:
        return refined
    gain = np.linalg.solve(spread, covariance[3:]).T
    step = gain @ off
    covariance = covariance - gain @ covariance[3:]
    return replace(
        refined,
        rotation=cv2.Rodrigues(step[3:])[0] @ refined.rotation,
        translation=refined.translation + step[:3],
        covariance=(covariance + covariance.T) / (2 * turn.inflation),
        inverse_depth=refined.inverse_depth + step @ refined.depth_by_pose,
        by_matches=transform(refined.rotation, refined.translation),
    )
