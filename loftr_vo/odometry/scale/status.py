# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The state of the metric scale, part of every estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class ScaleStatus:
    """The state of the metric scale.

    Attributes:
        source: ``scale.source``.
        metric: whether lengths are metres.
        sigma: relative standard deviation of a length; infinite where it is not known.
        age: seconds since the last reading; infinite without one.
        reason: why the last keyframe gave no reading; empty where it did.
        refused: implausible measurements that were refused, and how many; see ``plausible``.
        position_error: (3,) in the world, error of the position if all lengths are too long by one
            standard deviation. Its outer product is part of the pose's covariance.
    """

    source: str = 'none'
    metric: bool = False
    sigma: float = math.inf
    age: float = math.inf
    reason: str = ''
    refused: str = ''
    position_error: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def __str__(self) -> str:
        if self.source == 'none':
            return 'none (not metric)'
        text = f'{self.source} (not metric)'
        if math.isfinite(self.sigma):
            kind = 'metric' if self.metric else 'not metric'
            text = f'{self.source} ({kind}), sigma {self.sigma:.1%}, {self.age:.1f} s old'
        return f'{text}: {self.reason}' if self.reason else text
