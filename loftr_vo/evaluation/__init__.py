# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Running a sequence, scoring the trajectory against ground truth, and reporting it."""
