# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The result of a diagnosis: how bad it is, and the reason in words."""

from __future__ import annotations

import enum


class Level(enum.Enum):
    """How bad it is; the values are those of ``diagnostic_msgs/DiagnosticStatus``."""

    OK = b'\x00'
    WARN = b'\x01'
    ERROR = b'\x02'


# How bad it is, and the reason in words.
Diagnosis = tuple[Level, str]
