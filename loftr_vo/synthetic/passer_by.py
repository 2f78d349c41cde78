# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Somebody who walks ahead of the camera and hides a part of its view."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from loftr_vo.synthetic import furnishings
from loftr_vo.synthetic.camera_path import CameraPath
from loftr_vo.synthetic.scene import Rectangles
from loftr_vo.synthetic.stage import Stage

_AHEAD = 1.1  # metres
_SWAY, _PERIOD = 0.25, 3.0  # metres to either side, seconds
_BOB, _STEP = 0.03, 0.55  # metres up and down, seconds
_COMING, _FROM = 1.0, 2.5  # seconds, metres to the side


class PasserBy:
    """A patterned board, as wide as a share of the view, that sways ahead of a camera.

    It comes in from the side, which takes a second.

    Args:
        share: of the view's area that it hides in the middle of its sway.
        field_of_view: radians, horizontally.
        path: of the camera.
        since: seconds from which on it is ahead; not above zero for one that is there at once.
    """

    def __init__(
        self, share: float, field_of_view: float, path: CameraPath, since: float = 2.0
    ) -> None:
        self._path = path
        self._since = since
        self._width = share * 2 * _AHEAD * np.tan(field_of_view / 2)
        self._first = 0

    def join(self, stage: Stage) -> None:
        """Put the board on the stage, to be moved by ``place``; the last to join."""
        self._first = stage.surfaces
        size = (self._width, 2.6)
        picture = stage.paint(furnishings.rug, size, 200.0)
        right, down = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
        stage.place(picture, np.zeros(3), right, down, size)

    def place(self, scene: Rectangles, seconds: float) -> Rectangles:
        """Return the scene with the board where it is at a time."""
        camera = self._path(seconds)
        ahead = camera[:3, 2] * (1.0, 0.0, 1.0)
        ahead = ahead / np.linalg.norm(ahead)
        down = np.array([0.0, 1.0, 0.0])
        right = np.cross(down, ahead)
        sway = _SWAY * np.sin(2 * np.pi * seconds / _PERIOD)
        late = np.clip((self._since - seconds) / _COMING, 0.0, 1.0)
        sway += _FROM * late**2 * (3 - 2 * late)
        bob = _BOB * np.sin(2 * np.pi * seconds / _STEP)
        middle = camera[:3, 3] + _AHEAD * ahead + sway * right + bob * down
        turn = torch.from_numpy(np.stack([right, down, ahead]).astype(np.float32))
        shift = torch.from_numpy(middle.astype(np.float32))
        centre, axes = scene.centre.clone(), scene.axes.clone()
        board = slice(self._first, None)
        centre[:, board] = centre[:, board] @ turn + shift
        axes[:, board] = axes[:, board] @ turn
        return dataclasses.replace(scene, centre=centre, axes=axes)
