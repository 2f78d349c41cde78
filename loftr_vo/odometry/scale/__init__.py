# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Metres: what tells how long the odometry's unit is, and how sure that is."""
