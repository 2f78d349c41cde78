# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Visual odometry: frames in, estimates out.

Start with ``visual_odometry.VisualOdometry.track``: the steps that each frame goes through.

- ``pose/``: the pose of a frame, two-view geometry, initialisation of the map.
- ``map/``: keyframes, their depths, bundle adjustment, covariance.
- ``tracking/``: motion model, tracks between keyframes, loss and relocalisation.
- ``rolling_shutter/``: the readout time and the rotation during it.
- ``scale/``: metric scale by depth, stereo, another odometry or the camera's height.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loftr_vo.odometry.visual_odometry import VisualOdometry

__all__ = ['VisualOdometry']


def __getattr__(name: str) -> Any:
    # Imported late: the modules of this package need parts of it, but not torch.
    if name == 'VisualOdometry':
        from loftr_vo.odometry.visual_odometry import VisualOdometry

        return VisualOdometry
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
