# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tuned constants of the IMU, each with the figure that it was chosen by.

They are no settings: after a change the figures of docs/imu.md are measured again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InertialTuning:
    """Constants of the inertial estimation."""

    # sample_buffer

    # Seconds of measurements that are kept: as far as the local map's keyframes reach back.
    buffer_seconds: float = 30.0
    # Seconds between two measurements beyond which their motion is not interpolated: at 100 Hz
    # four are missing. Chosen by hand; no figure kept.
    max_gap: float = 0.05
    # Seconds beyond the last measurement for which it is held: one period at 100 Hz.
    max_extrapolation: float = 0.011


TUNING = InertialTuning()
