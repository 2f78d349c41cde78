# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The scenes that can be rendered, each with the path of a camera in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loftr_vo.synthetic.camera_path import CameraPath, stopping, swinging, turning
from loftr_vo.synthetic.room import build_room, room_path
from loftr_vo.synthetic.stage import Stage
from loftr_vo.synthetic.street import LONGEST_DRIVE, build_street, street_path
from loftr_vo.synthetic.wall import build_wall, wall_path


@dataclass(frozen=True)
class Place:
    """A scene, the way of the camera in it, and the seconds that it may last."""

    build: Callable[[np.random.Generator], Stage]
    path: Callable[[np.random.Generator], CameraPath]
    longest: float = math.inf
    baseline: float = 0.12  # metres, of a stereo pair that suits it


def _resting_path(rng: np.random.Generator) -> CameraPath:
    return stopping(room_path(rng), HALT)


def _turning_path(rng: np.random.Generator) -> CameraPath:
    return turning(room_path(rng), HALT, TURN_RATE)


def _swinging_path(rng: np.random.Generator) -> CameraPath:
    return swinging(room_path(rng), rng)


HALT = 2.0  # seconds, after which the cameras of ``rest`` and ``turn`` stop

TURN_RATE = math.radians(40.0)

PLACES = {
    'room': Place(build_room, room_path),
    'street': Place(build_street, street_path, LONGEST_DRIVE, baseline=0.5),
    'rest': Place(build_room, _resting_path),
    'turn': Place(build_room, _turning_path),
    'swing': Place(build_room, _swinging_path),
    'wall': Place(build_wall, wall_path),
}

KINDS = tuple(PLACES)
