# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Visual odometry from LoFTR matches.

The names below are imported when first used: ``import loftr_vo`` loads neither torch nor rclpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loftr_vo.config import Settings
    from loftr_vo.datasets import open_sequence
    from loftr_vo.imaging.camera import Camera
    from loftr_vo.imaging.frame import Frame
    from loftr_vo.loftr.config import LoFTRConfig
    from loftr_vo.loftr.model import LoFTR
    from loftr_vo.loftr.weights import load_weights
    from loftr_vo.matching.array_matching import match_pair
    from loftr_vo.matching.matches import Matches
    from loftr_vo.odometry.estimate import Estimate, State
    from loftr_vo.odometry.visual_odometry import VisualOdometry

__version__ = '0.1.0'

__all__ = [
    'Camera',
    'Estimate',
    'Frame',
    'LoFTR',
    'LoFTRConfig',
    'Matches',
    'Settings',
    'State',
    'VisualOdometry',
    'load_weights',
    'match_pair',
    'open_sequence',
]

_MODULES = {
    'Camera': 'loftr_vo.imaging.camera',
    'Estimate': 'loftr_vo.odometry.estimate',
    'Frame': 'loftr_vo.imaging.frame',
    'LoFTR': 'loftr_vo.loftr.model',
    'LoFTRConfig': 'loftr_vo.loftr.config',
    'Matches': 'loftr_vo.matching.matches',
    'Settings': 'loftr_vo.config',
    'State': 'loftr_vo.odometry.estimate',
    'VisualOdometry': 'loftr_vo.odometry.visual_odometry',
    'load_weights': 'loftr_vo.loftr.weights',
    'match_pair': 'loftr_vo.matching.array_matching',
    'open_sequence': 'loftr_vo.datasets',
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
