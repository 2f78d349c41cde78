# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Metric scale: the odometry's unit of length in metres, with its uncertainty."""
