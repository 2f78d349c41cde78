# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Experiments with the whole: each is run by ``python -m``, and none by a robot."""
