# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion of a frame against its keyframe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from loftr_vo.geometry.rigid_motion import inverse_transform, split
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.map.keyframe import Keyframe, Link, is_known
from loftr_vo.odometry.map.tuning import TUNING
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.rolling_shutter.model import ReadoutEstimate


class MotionError(ValueError):
    """No motion explains a frame; the message has the reason.

    Attributes:
        agreeing: largest number of matches that agree with one motion; None where that is not the
            reason.
    """

    def __init__(self, message: str, agreeing: int | None = None) -> None:
        super().__init__(message)
        self.agreeing = agreeing


@dataclass(frozen=True, eq=False)
class Motion:
    """The motion of a frame against its keyframe, and the depths estimated with it.

    Attributes:
        frame_from_keyframe: (4, 4).
        covariance: (6, 6) of (translation, rotation), a left perturbation of the rotation.
        matches: N matches, keypoints0 in the keyframe.
        inliers: (N,) bool.
        inverse_depth: (N,) posterior, in the keyframe.
        depth_variance: (N,).
        measured_variance: (N,), of this measurement of depth alone.
        observations: what the motion was estimated from.
        pixels: (N, 2) positions of the cells' points in the frame.
        parallax: degrees, median over inliers.
        no_depth_reason: why the depths are not known; empty where they are.
        readout: the rotation during the readout of the frame.
        sampled: share of the cells in view whose matches it was estimated from.
        by_matches: (4, 4) frame from keyframe by matches alone, where a gyroscope is part of the
            motion, else None.
    """

    frame_from_keyframe: np.ndarray
    covariance: np.ndarray
    matches: Matches
    inliers: np.ndarray
    inverse_depth: np.ndarray
    depth_variance: np.ndarray
    measured_variance: np.ndarray
    observations: Observations
    pixels: np.ndarray
    parallax: float
    no_depth_reason: str
    readout: ReadoutEstimate
    sampled: float = 1.0
    by_matches: np.ndarray | None = None

    @property
    def has_depth(self) -> bool:
        """Whether the length of the translation and the depths are of one scale."""
        return not self.no_depth_reason

    def pose_from(self, keyframe: Keyframe) -> np.ndarray:
        """Return the frame's pose (4, 4), world from camera, given the keyframe's."""
        return keyframe.pose @ self._keyframe_from_frame

    def pose_by_matches(self, keyframe: Keyframe) -> np.ndarray:
        """Return the same as matches alone give it, without a gyroscope."""
        if self.by_matches is None:
            return self.pose_from(keyframe)
        return keyframe.pose @ inverse_transform(self.by_matches)

    @cached_property
    def _keyframe_from_frame(self) -> np.ndarray:
        return inverse_transform(self.frame_from_keyframe)

    @property
    def with_depth(self) -> np.ndarray:
        """(N,) bool, inliers whose depth is known, and in front of the frame's camera."""
        known = is_known(self.inverse_depth, self.depth_variance)
        return self.inliers & known & (self._depth_ratio > TUNING.min_depth_ratio)

    @cached_property
    def _depth_ratio(self) -> np.ndarray:
        """(N,) depth in the frame, over that in the keyframe."""
        rotation, translation = split(self.frame_from_keyframe)
        ratio: np.ndarray = self.observations.rays0 @ rotation[2]
        return ratio + self.inverse_depth * translation[2]

    def depth_in_frame(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels (M, 2) of ``with_depth`` in the frame; inverse depths there (M,); variances."""
        chosen = self.with_depth
        rotation, _ = split(self.frame_from_keyframe)
        rho, z = self.inverse_depth[chosen], self._depth_ratio[chosen]
        slope = self.observations.rays0[chosen] @ rotation[2] / z**2
        return self.pixels[chosen], rho / z, slope**2 * self.depth_variance[chosen]

    def link_to(self, frame: Keyframe) -> Link:
        """Return the link to ``frame``, which the motion's frame has become."""
        inliers = self.observations.select(self.inliers)
        return Link(frame, self.matches.cells[self.inliers], inliers.rays1, inliers.whitening)
