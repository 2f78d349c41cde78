# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Topics of a bag that carry what the scale needs, as far as the user names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CompanionTopics:
    """Topics that the user names; None for those that are to be found by their types.

    ``imu_calibration`` is a file that says how the IMU sits beside the camera, used in place of
    what the recording has; of a folder too.
    """

    depth: str | None = None
    right_image: str | None = None
    odometry: str | None = None
    imu: str | None = None
    imu_calibration: Path | None = None
