# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of the scale, to be told with every estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class ScaleStatus:
    """How long the unit of length is, and how sure that is.

    Attributes:
        source: ``scale.source``.
        metric: whether lengths are metres.
        sigma: relative standard deviation of a length; infinite where it is not known.
        age: seconds since the source last told; infinite if it never did.
        reason: why it told nothing of late; empty where it did.
        refused: what of it was refused because it cannot be, and how often; see ``plausible``.
        position_error: (3,) in the world, how far the position is off if every length was too long
            by one standard deviation. Its outer product is part of the pose's covariance.
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
