# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The body's velocity, and how sure it is, from how its camera moved."""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.rigid_motion import skew
from loftr_vo.odometry.tracking.camera_step import CameraStep
from loftr_vo.ros.body import Body, twist

# Variance of a velocity that nothing is known of; as large as a filter takes without trouble.
UNKNOWN = 1e4
# Smallest variance of a motion: a covariance that is singular makes filters diverge.
_SMALLEST = 1e-12


def velocity(step: CameraStep | None, body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean velocity of the body over a step of its camera.

    Args:
        step: of the camera; None where it is not known.
        body: what the camera is fixed to.

    Returns:
        The (6,) twist in the body's axes, linear and angular, and its (6, 6) covariance; zero and
        ``UNKNOWN`` where nothing is known.
    """
    if step is None:
        return np.zeros(6), UNKNOWN * np.eye(6)
    base_from_camera = body.base_from_camera
    camera_from_base = np.linalg.inv(base_from_camera)
    moved = base_from_camera @ step.motion @ camera_from_base
    axes, lever = base_from_camera[:3, :3], camera_from_base[:3, 3]
    # The base goes as the camera does, and round it as it turns: v + w x lever, in its own axes.
    jacobian = np.zeros((6, 6))
    jacobian[:3, :3] = jacobian[3:, 3:] = axes
    jacobian[:3, 3:] = -axes @ skew(lever)
    covariance = jacobian @ step.covariance @ jacobian.T + _SMALLEST * np.eye(6)
    return twist(np.eye(4), moved, step.seconds), covariance / step.seconds**2
