# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How the uncertainty of the pose and of the scale grows from keyframe to keyframe.

A covariance here is (7, 7): of position, rotation (as in ``Estimate``) and the logarithm of the
scale, by which all that is measured against a keyframe is too long. A motion against a keyframe
adds its own error and, through the scale, one as long as it is itself. When the frame becomes a
keyframe, its depths come out of this one's with an error in common, which is one step of a random
walk of the scale. A camera that goes on for long is mostly wrong by this.
"""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.rigid_motion import skew, split
from loftr_vo.matching.lucas_kanade import WINDOW
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.map.tuning import TUNING

_NEGLIGIBLE_SIGMA = 1e-6  # standard deviation of what defines the world


def initial_covariance() -> np.ndarray:
    """Covariance (7, 7) of the first pose, which defines the world and its unit."""
    return np.eye(7) * _NEGLIGIBLE_SIGMA**2


def initial_covariance_with_carried_scale() -> np.ndarray:
    """Covariance (7, 7) of the first pose of a map whose scale is the guess of the one before."""
    covariance = initial_covariance()
    covariance[6, 6] = TUNING.carried_scale_sigma**2
    return covariance


def pose_covariance(keyframe: Keyframe, motion: Motion, relative: np.ndarray) -> np.ndarray:
    """Covariance (7, 7) of the frame's pose in the world, by first order.

    The keyframe's own uncertainty is carried to the frame, where its rotation and its scale also
    move the position; the motion's is turned into the world.

    Args:
        keyframe: with its own covariance.
        motion: the frame's, from it.
        relative: (6, 6), their ``relative_covariance``.
    """
    step = motion.pose_from(keyframe)[:3, 3] - keyframe.pose[:3, 3]
    by_keyframe = np.eye(7)
    by_keyframe[:3, 3:6] = -skew(step)
    by_keyframe[:3, 6] = step
    covariance = by_keyframe @ keyframe.covariance @ by_keyframe.T
    covariance[:6, :6] += relative
    return (covariance + covariance.T) / 2


def relative_covariance(keyframe: Keyframe, motion: Motion) -> np.ndarray:
    """Covariance (6, 6) of the frame's pose relative to the keyframe, in the world's axes."""
    rotation, translation = split(motion.frame_from_keyframe)
    world_from_frame = keyframe.pose[:3, :3] @ rotation.T  # world from frame
    by_motion = np.zeros((6, 6))
    by_motion[:3, :3] = -world_from_frame
    by_motion[:3, 3:] = -world_from_frame @ skew(translation)
    by_motion[3:, 3:] = -world_from_frame
    covariance = by_motion @ motion.covariance @ by_motion.T * correlation_inflation(keyframe)
    return (covariance + covariance.T) / 2


def keyframe_covariance(covariance: np.ndarray, keyframe: Keyframe, motion: Motion) -> np.ndarray:
    """Covariance (7, 7) of a frame that becomes a keyframe; ``covariance`` is the frame's.

    Its depths are as long as those of the keyframe before it, which they are interpolated from,
    and as the baseline, which they are triangulated with; the surer of both counts more.
    """
    by_baseline = _relative_length_variance(motion)
    _, rho, variance = motion.seen_depth()
    by_depth = float(np.mean(variance / rho**2)) / len(rho) if len(rho) else np.inf
    step = 1 / (
        1 / max(by_baseline, _NEGLIGIBLE_SIGMA**2) + 1 / max(by_depth, _NEGLIGIBLE_SIGMA**2)
    )
    grown = covariance.copy()
    grown[6, 6] += step * correlation_inflation(keyframe)
    return grown


def with_known_scale(covariance: np.ndarray) -> np.ndarray:
    """Return a keyframe's covariance (7, 7) once its scale is known from elsewhere."""
    told = covariance.copy()
    told[6, :] = told[:, 6] = 0.0
    told[6, 6] = _NEGLIGIBLE_SIGMA**2
    return told


def _relative_length_variance(motion: Motion) -> float:
    translation = motion.frame_from_keyframe[:3, 3]
    squared = max(float(translation @ translation), _NEGLIGIBLE_SIGMA**2)
    return float(translation @ motion.covariance[:3, :3] @ translation) / squared**2


def correlation_inflation(keyframe: Keyframe) -> float:
    """How many cells are wrong together: the variance of a mean over many is so much larger.

    Lucas-Kanade's windows are larger than cells, so what one sees its neighbours see too.
    """
    cell = 8 * float(keyframe.encoded.image_pixels_per_network_pixel.mean())
    return TUNING.correlated_errors * max(1.0, WINDOW / cell) ** 2
