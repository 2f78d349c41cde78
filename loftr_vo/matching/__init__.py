# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Matches between two pictures, by LoFTR and Lucas-Kanade, on a CPU or a GPU."""
