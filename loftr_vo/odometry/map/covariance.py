# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The covariance of pose and scale, propagated from keyframe to keyframe.

A covariance here is (7, 7): of position, rotation (as in ``Estimate``) and the logarithm of the
scale, the common factor of all lengths measured against a keyframe. A motion against a keyframe
adds its own error, and through the scale one in proportion to its length. A frame that becomes a
keyframe takes its depths from the one before with a common error, which is one step of a random
walk of the scale. On a long path that is most of the error.
"""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.rigid_motion import skew, split
from loftr_vo.matching.lucas_kanade import WINDOW
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.map.tuning import TUNING

# Standard deviation of the first pose and of a known scale: small, but not singular.
_NEGLIGIBLE_SIGMA = 1e-6


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

    The keyframe's covariance is propagated to the frame, where errors of its rotation and scale
    also move the position. The motion's is rotated into the world.

    Args:
        keyframe: the frame's reference.
        motion: of the frame against it.
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
    world_from_frame = keyframe.pose[:3, :3] @ rotation.T
    by_motion = np.zeros((6, 6))
    by_motion[:3, :3] = -world_from_frame
    by_motion[:3, 3:] = -world_from_frame @ skew(translation)
    by_motion[3:, 3:] = -world_from_frame
    covariance = by_motion @ motion.covariance @ by_motion.T
    covariance *= correlation_inflation(keyframe, motion.sampled)
    return (covariance + covariance.T) / 2


def keyframe_covariance(covariance: np.ndarray, keyframe: Keyframe, motion: Motion) -> np.ndarray:
    """Covariance (7, 7) of a frame that becomes a keyframe; ``covariance`` is the frame's.

    The scale of its depths follows from those of the keyframe before it, which they are
    interpolated from, and from the baseline, which they are triangulated with. Both are fused by
    their information.
    """
    by_baseline = _relative_length_variance(motion)
    by_baseline *= correlation_inflation(keyframe, motion.sampled)
    _, rho, variance = motion.depth_in_frame()
    by_depth = float(np.mean(variance / rho**2)) / len(rho) if len(rho) else np.inf
    by_depth *= correlation_inflation(keyframe)
    step = 1 / (
        1 / max(by_baseline, _NEGLIGIBLE_SIGMA**2) + 1 / max(by_depth, _NEGLIGIBLE_SIGMA**2)
    )
    grown = covariance.copy()
    grown[6, 6] += step
    return grown


def with_known_scale(covariance: np.ndarray) -> np.ndarray:
    """Return a keyframe's covariance (7, 7) without that of the scale, which is measured."""
    known = covariance.copy()
    known[6, :] = known[:, 6] = 0.0
    known[6, 6] = _NEGLIGIBLE_SIGMA**2
    return known


def _relative_length_variance(motion: Motion) -> float:
    translation = motion.frame_from_keyframe[:3, 3]
    squared = max(float(translation @ translation), _NEGLIGIBLE_SIGMA**2)
    return float(translation @ motion.covariance[:3, :3] @ translation) / squared**2


def correlation_inflation(keyframe: Keyframe, sampled: float = 1.0) -> float:
    """Factor of a covariance for the correlation of errors between neighbouring cells.

    Lucas-Kanade's windows are larger than cells, so that neighbours share pixels. Of correlated
    samples the variance of the mean is larger by 1 + (N - 1) rho, rho the mean correlation of two
    of them (Kish, Survey Sampling, 1965, section 5.4). With every second cell left out, N is half
    as large and rho the same.

    Args:
        keyframe: of the cells.
        sampled: share of the cells in view that are used, evenly selected.
    """
    cell = 8 * float(keyframe.encoded.image_pixels_per_network_pixel.mean())
    of_all = TUNING.correlated_errors * max(1.0, WINDOW / cell) ** 2
    return 1 + sampled * (of_all - 1)
