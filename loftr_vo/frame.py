# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Deprecated: ``from loftr_vo import Frame`` instead. Removed in the release after 0.2."""

import warnings

from loftr_vo.imaging.frame import Frame

__all__ = ['Frame']

warnings.warn(
    'loftr_vo.frame is deprecated: from loftr_vo import Frame', DeprecationWarning, stacklevel=2
)
