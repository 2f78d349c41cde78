# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Visual odometry from LoFTR matches.

The names below are imported when first used: ``import loftr_vo`` loads neither torch nor rclpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loftr_vo.loftr.config import LoFTRConfig
    from loftr_vo.loftr.model import LoFTR
    from loftr_vo.loftr.weights import load_weights
    from loftr_vo.matching.matches import Matches
    from loftr_vo.odometry.visual_odometry import VisualOdometry

__all__ = ['LoFTR', 'LoFTRConfig', 'Matches', 'VisualOdometry', 'load_weights']

_HOME = {
    'LoFTR': 'loftr_vo.loftr.model',
    'LoFTRConfig': 'loftr_vo.loftr.config',
    'Matches': 'loftr_vo.matching.matches',
    'VisualOdometry': 'loftr_vo.odometry.visual_odometry',
    'load_weights': 'loftr_vo.loftr.weights',
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
