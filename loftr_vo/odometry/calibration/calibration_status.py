# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How far off a calibration looks."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class CalibrationStatus:
    """How far off a calibration looks; NaN as long as that is not known.

    Attributes:
        focal_error: relative error of the focal length: 0.05 is 5 % too long.
        focal_sigma: its standard deviation.
        corner_error: pixels by which distortion moves the picture's corners outwards beyond what
            the calibration has.
        corner_sigma: its standard deviation, pixels.
        suspicion: ``calibration suspicious: `` and what looks wrong; empty where nothing does.
    """

    focal_error: float = math.nan
    focal_sigma: float = math.nan
    corner_error: float = math.nan
    corner_sigma: float = math.nan
    suspicion: str = ''

    @property
    def figures(self) -> dict[str, float]:
        """What is known, by the names that results and ``~/status`` give it."""
        return {
            'focal_error_percent': 100 * self.focal_error,
            'focal_error_sigma_percent': 100 * self.focal_sigma,
            'distortion_error_px': self.corner_error,
            'distortion_error_sigma_px': self.corner_sigma,
        }


UNKNOWN_CALIBRATION = CalibrationStatus()
