# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The demo: the node on a rendered camera."""
