# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid motions, rotations, epipolar geometry and small linear algebra; numpy only."""
