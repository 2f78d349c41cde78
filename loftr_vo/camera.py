# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Deprecated: ``from loftr_vo import Camera`` instead. Removed in the release after 0.2."""

import warnings

from loftr_vo.imaging.camera import Camera

__all__ = ['Camera']

warnings.warn(
    'loftr_vo.camera is deprecated: from loftr_vo import Camera', DeprecationWarning, stacklevel=2
)
