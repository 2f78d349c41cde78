# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the matcher is, beside a peer's, in one run on one machine."""
