# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and cameras: lens models, calibrations, frames, messages as pictures."""
