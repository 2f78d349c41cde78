# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""From frame to frame: motion model, rest, loss and relocalisation."""
