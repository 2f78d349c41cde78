# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Rolling shutters: rows that are read one after the other."""
