# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Trains LoFTR on ray-cast scenes."""
