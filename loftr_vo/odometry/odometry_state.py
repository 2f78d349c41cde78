# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the odometry keeps from one frame to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matcher import EncodedImage
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion


@dataclass(frozen=True)
class TrackedFrame:
    """The last frame that was tracked, and how."""

    frame: Frame
    encoded: EncodedImage
    pose: np.ndarray
    covariance: np.ndarray
    motion: Motion
    keyframe: Keyframe
    matched_by: str


@dataclass(frozen=True)
class PendingKeyframe:
    """The last frame, which is to become the keyframe."""

    tracked: TrackedFrame
    turning: bool


@dataclass(frozen=True)
class PendingDepthUpdate:
    """What the last frame taught, to be learnt once its estimate is given.

    Attributes:
        of_depth: whether its depths are worth it.
    """

    frame: Frame
    keyframe: Keyframe
    motion: Motion
    of_depth: bool
