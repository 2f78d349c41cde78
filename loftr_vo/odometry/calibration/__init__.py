# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the matches of keyframes contradict the camera's calibration."""
