# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The tools that the tables of docs/accuracy.md and docs/benchmarks.md are made with."""
