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
    """A frame that no motion explains; the message says why.

    Attributes:
        agreeing: how many matches agree with one motion, at most; None where that is not the
            matter.
    """

    def __init__(self, message: str, agreeing: int | None = None) -> None:
        super().__init__(message)
        self.agreeing = agreeing


@dataclass(frozen=True, eq=False)
class Motion:
    """How a frame lies to its keyframe.

    Attributes:
        frame_from_keyframe: (4, 4).
        covariance: (6, 6) of (translation, rotation), a left perturbation of the rotation.
        matches: N matches, keypoints0 in the keyframe.
        inliers: (N,) bool.
        inverse_depth: (N,) posterior, seen from the keyframe.
        depth_variance: (N,).
        measured_variance: (N,), of this measurement of depth alone.
        observations: what the motion was found from.
        places: (N, 2) pixels of the frame, where the points are that the cells stand for.
        parallax: degrees, median over inliers.
        remark: what keeps the depth from being known, else empty.
        readout: how the camera turned while the frame's rows were read.
    """

    frame_from_keyframe: np.ndarray
    covariance: np.ndarray
    matches: Matches
    inliers: np.ndarray
    inverse_depth: np.ndarray
    depth_variance: np.ndarray
    measured_variance: np.ndarray
    observations: Observations
    places: np.ndarray
    parallax: float
    remark: str
    readout: ReadoutEstimate

    @property
    def has_depth(self) -> bool:
        """Whether the length of the translation and the depths are of one scale."""
        return not self.remark

    def pose_from(self, keyframe: Keyframe) -> np.ndarray:
        """Return the frame's pose (4, 4), world from camera, given the keyframe's."""
        return keyframe.pose @ self._keyframe_from_frame

    @cached_property
    def _keyframe_from_frame(self) -> np.ndarray:
        return inverse_transform(self.frame_from_keyframe)

    @property
    def seen(self) -> np.ndarray:
        """(N,) bool, inliers whose depth is known, and in front of the frame's camera."""
        known = is_known(self.inverse_depth, self.depth_variance)
        return self.inliers & known & (self._depth_ratio > TUNING.min_depth_ratio)

    @cached_property
    def _depth_ratio(self) -> np.ndarray:
        """(N,) depth in the frame, over that in the keyframe."""
        rotation, translation = split(self.frame_from_keyframe)
        ratio: np.ndarray = self.observations.rays0 @ rotation[2]
        return ratio + self.inverse_depth * translation[2]

    def seen_depth(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``seen`` in the frame: pixels (M, 2), inverse depth there (M,) and its variance (M,)."""
        chosen = self.seen
        rotation, _ = split(self.frame_from_keyframe)
        rho, z = self.inverse_depth[chosen], self._depth_ratio[chosen]
        slope = self.observations.rays0[chosen] @ rotation[2] / z**2
        return self.places[chosen], rho / z, slope**2 * self.depth_variance[chosen]

    def link_to(self, frame: Keyframe) -> Link:
        """Return where the keyframe's cells are seen in ``frame``, this motion's frame."""
        seen = self.observations.select(self.inliers)
        return Link(frame, self.matches.cells[self.inliers], seen.rays1, seen.whitening)
