# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Many recordings: side by side, resumed, summarised, compared."""
