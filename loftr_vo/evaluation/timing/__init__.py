# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Timing of the matcher and of a peer in one run on one machine."""
