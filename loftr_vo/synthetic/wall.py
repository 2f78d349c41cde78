# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""One wall that fills the view: a plane, for which an essential matrix is not unique."""

from __future__ import annotations

import numpy as np

from loftr_vo.synthetic import furnishings, materials
from loftr_vo.synthetic.camera_path import CameraPath, Tremor, looking_along
from loftr_vo.synthetic.stage import Stage

_SIZE = (14.0, 7.0)  # metres
_DISTANCE = 2.6
_SWEEP, _PERIOD = 2.0, 16.0  # metres to either side, seconds there and back
_NOTICES = 40


def build_wall(rng: np.random.Generator) -> Stage:
    """Return brickwork with posters pasted on it, facing a camera at the origin."""
    stage = Stage(rng, scale=110.0)
    wall = stage.paint(materials.masonry, _SIZE, stage.scale)
    for _ in range(_NOTICES):
        size = (rng.uniform(0.5, 1.1), rng.uniform(0.5, 1.1))
        painter = (furnishings.poster, furnishings.painting)[int(rng.integers(2))]
        picture = stage.paint(painter, size, stage.scale)
        top = int(rng.integers(0, wall.shape[0] - picture.shape[0]))
        left = int(rng.integers(0, wall.shape[1] - picture.shape[1]))
        wall[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    right, down = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    stage.place(wall, np.array([0.0, 0.0, _DISTANCE]), right, down, _SIZE)
    return stage


def wall_path(rng: np.random.Generator) -> CameraPath:
    """Return a way along the wall, nearer and farther, the camera turning a little."""
    tremor = Tremor(rng, [0.02, 0.02, 0.02, 0.01, 0.01, 0.01], (0.2, 0.9))
    glance = Tremor(rng, [0.12, 0.06], (0.06, 0.16))

    def pose(seconds: float) -> np.ndarray:
        phase = 2 * np.pi * seconds / _PERIOD
        shake, (aside, up) = tremor(seconds), glance(seconds)
        position = np.array([_SWEEP * np.sin(phase), 0.0, 0.35 * (1 - np.cos(2 * phase))])
        return looking_along(position + shake[:3], aside + shake[3], up + shake[4], shake[5])

    return pose
