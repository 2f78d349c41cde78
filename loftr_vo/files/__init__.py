# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Files that others wrote, read within bounds, with errors that name the place."""
