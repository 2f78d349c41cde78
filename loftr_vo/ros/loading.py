# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Making the odometry ready: load the network, and run it once before the first picture comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from loftr_vo.config import Settings, replace
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame

# Of the frames to warm up on where the setting leaves the size open; the matcher shrinks them.
_WARM_UP_WIDTH = 640


def load_odometry(settings: Settings, report: Callable[[str], None]) -> Any:
    """Return a ``VisualOdometry`` whose network is loaded and has run.

    Args:
        settings: of the odometry.
        report: told what is being done, a line at a time.

    Raises:
        WeightsError: the weights are not there or not a LoFTR; says what to do.
        DeviceError: the device is not there.
    """
    start = time.monotonic()
    matcher = settings.matcher
    report(f'loading the weights {matcher.weights} for the device {matcher.device}')
    # torch takes seconds to import; the node is up and says what it does before that.
    from loftr_vo.matching.device import why_no_cuda
    from loftr_vo.odometry import VisualOdometry

    odometry = VisualOdometry(settings)
    if matcher.device == 'auto' and odometry.device == 'cpu':
        report(f'no GPU is used: {why_no_cuda()}')
    report(f'loaded in {time.monotonic() - start:.1f} s; warming up on {odometry.device}')
    # Frames that are tracked would not warm up the network.
    odometry.configure(replace(settings, {'matcher.when': 'every_frame'}))
    for frame in _noise(matcher.image_size or _WARM_UP_WIDTH):
        odometry.track(frame)
    odometry.configure(settings)
    odometry.reset()
    report(f'warmed up, ready after {time.monotonic() - start:.1f} s')
    return odometry


def _noise(width: int) -> list[Frame]:
    """Return two frames to warm up on, of the size that the network will work at."""
    height = width * 3 // 4
    matrix = np.array([[width, 0.0, width / 2], [0.0, width, height / 2], [0.0, 0.0, 1.0]])
    camera = Camera(width, height, matrix, 'plumb_bob', np.zeros(0))
    picture = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    return [Frame(picture, stamp, camera) for stamp in (1, 2)]
