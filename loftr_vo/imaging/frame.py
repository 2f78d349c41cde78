# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A frame: one grey picture, when it was taken, and the camera that took it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.contrast_normalisation import normalise_contrast

# A stamp this much before the last is a clock set back or a bag that loops, not a late picture.
JUMP_BACK = 10**9
# What is larger says that nothing is known; square metres and radians.
_MAX_VARIANCE = 1e12


@dataclass(frozen=True, eq=False)
class RightPicture:
    """What the right camera of a stereo pair saw at the same time.

    Attributes:
        image: (H, W) uint8, grey.
        camera: its calibration.
        right_from_left: (4, 4) float64 in metres, maps points of the left camera (the frame's) to
            this one. Of a rectified pair it moves by the baseline along x and turns nothing.
    """

    image: np.ndarray
    camera: Camera
    right_from_left: np.ndarray


@dataclass(frozen=True, eq=False)
class BasePose:
    """Where another odometry had the robot's base: at ``stamp`` nanoseconds, (4, 4) in metres.

    The base has x forward, y left, z up (REP 103). ``covariance``: (6, 6) of the pose, of position
    and rotation (left perturbation) in the axes of its fixed frame; None where it is not stated.
    """

    stamp: int
    pose: np.ndarray
    covariance: np.ndarray | None = None


def stated_covariance(values: npt.ArrayLike) -> np.ndarray | None:
    """Return the covariance (6, 6) of a message, from its 36 numbers; None if it states none.

    Drivers fill in zeros, -1 or numbers that are no covariance.
    """
    covariance = np.array(values, float).reshape(6, 6)
    if not np.isfinite(covariance).all() or np.abs(covariance).max() > _MAX_VARIANCE:
        return None
    variances = np.diag(covariance)
    if variances.min() < 0 or not variances.any():
        return None
    return (covariance + covariance.T) / 2


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of the stream, and what came with it.

    Attributes:
        image: (H, W) uint8, grey.
        stamp: nanoseconds, as the source gave it.
        camera: the calibration, for pictures of this size.
        depth: (h, w) float32 in metres, 0 or NaN where unknown, registered to the picture: it
            shows the same view, if not in as many pixels; or None.
        depth_lag: nanoseconds by which the depth image was taken after the picture.
        right: the right picture of a stereo pair, or None.
        wheels: poses of another odometry since the frame before, in the order of time.
        imu: measurements since the frame before, and one beyond each end of that interval where
            there is one; None without an IMU.
    """

    image: np.ndarray
    stamp: int
    camera: Camera
    depth: np.ndarray | None = None
    depth_lag: int = 0
    right: RightPicture | None = None
    wheels: tuple[BasePose, ...] = ()
    imu: ImuSamples | None = None

    @cached_property
    def normalised(self) -> np.ndarray:
        """(H, W) uint8, the picture after ``normalise_contrast``; computed at first use."""
        return normalise_contrast(self.image)

    def picture_only(self) -> Frame:
        """Return it without what other sensors measured, and what was computed from it."""
        return Frame(self.image, self.stamp, self.camera)

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.dtype != np.uint8:
            raise ValueError(
                f'a frame needs a grey (H, W) uint8 picture, got {self.image.dtype} '
                f'of shape {self.image.shape}'
            )
        self.camera.check_size(self.image.shape)
