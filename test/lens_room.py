# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""An empty room whose depth is known along any ray, for cameras with any lens."""

import exact_world
import numpy as np
from exact_world import pose

from loftr_vo.imaging.frame import Frame
from loftr_vo.synthetic import lens

LENSES = {'pinhole': exact_world.camera(), **lens.LENSES}
PERIOD = 0.1  # seconds


class LensRoom:
    """A box of walls around the origin, 8 by 3 by 10 m; it remembers what it has shown.

    Its pictures are noise: matches come from an ``ExactMatcher`` and nothing looks at them.
    """

    _HALF = np.array([4.0, 1.5, 5.0])

    def __init__(self, camera, seed=0):
        self.camera = camera
        self._random = np.random.default_rng(seed)
        self._shown = {}
        y, x = np.mgrid[: camera.height, : camera.width]
        rays = camera.undistort(np.column_stack([x.ravel(), y.ravel()]))
        self._rays = np.column_stack([rays, np.ones(len(rays))])

    def see(self, world_from_camera, seconds=0.0):
        """Return the frame that the camera takes there."""
        camera = self.camera
        directions = self._rays @ world_from_camera[:3, :3].T
        with np.errstate(divide='ignore', invalid='ignore'):
            walls = np.sign(directions) * self._HALF
            depth = ((walls - world_from_camera[:3, 3]) / directions).min(axis=1)
        image = self._random.integers(0, 256, (camera.height, camera.width), np.uint8)
        frame = Frame(
            image, round(1e9 * (1 + seconds)), camera, depth.reshape(image.shape).astype('f4')
        )
        self._shown[image.tobytes()] = frame, world_from_camera
        return frame

    def film(self, poses):
        """Return the frames of a camera that goes through ``poses``, one every ``PERIOD``."""
        return [self.see(each, index * PERIOD) for index, each in enumerate(poses)]

    def shown(self, picture):
        """Return the frame and the pose that belong to the bytes of a picture, or None."""
        return self._shown.get(picture)


def walk(count, seed=0):
    """Poses of a camera that goes aside and ahead, and looks about."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 4)
    return [
        pose(
            (0.06 * i, 0.1 * np.sin(i / 4 + phase[0]), 0.04 * i),
            (
                15 * np.sin(i / 7 + phase[1]),
                8 * np.sin(i / 5 + phase[2]),
                6 * np.sin(i / 6 + phase[3]),
            ),
        )
        for i in range(count)
    ]
