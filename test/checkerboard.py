# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a checkerboard by a camera that is known exactly, lens distortion included."""

from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.imaging.camera import Camera

_BLUR = 1.5  # pixels over which an edge goes from black to white
_WHITE, _BLACK, _AROUND = 215.0, 40.0, 120.0


class RenderedBoard:
    """Renders a board of ``columns`` x ``rows`` inner corners in front of a camera."""

    def __init__(self, camera: Camera, columns: int = 9, rows: int = 6, square: float = 0.025):
        self.camera, self.columns, self.rows, self.square = camera, columns, rows, square
        corners = np.array([[-1, -1], [columns, -1], [-1, rows], [columns, rows]])
        self._outline = np.column_stack([corners * square, np.zeros(4)])

    @cached_property
    def _rays(self):
        size = self.camera.width, self.camera.height
        pixels = np.stack(np.meshgrid(*map(np.arange, size)), axis=-1)
        rays = self.camera.undistort(pixels.reshape(-1, 2)).reshape(pixels.shape)
        return np.concatenate([rays, np.ones((*rays.shape[:2], 1))], axis=2)

    @property
    def centre(self):
        return np.array([self.columns - 1, self.rows - 1, 0.0]) * self.square / 2

    def picture(self, camera_from_board: np.ndarray, noise: np.random.Generator) -> np.ndarray:
        """Return (H, W) uint8, with noise of two grey levels."""
        camera = self.camera
        picture = np.full((camera.height, camera.width), _AROUND)
        seen = self.seen(camera_from_board)
        # As wide as the white margin at least.
        around = int(np.ptp(seen, axis=0).max() / 4)
        left, top = (seen.min(axis=0).astype(int) - around).clip(0)
        right, bottom = seen.max(axis=0).astype(int) + around
        part = np.s_[top:bottom, left:right]
        picture[part] = self._grey(camera_from_board, *picture[part].shape, top, left)
        picture += noise.normal(0.0, 2.0, picture.shape)
        return picture.round().clip(0, 255).astype(np.uint8)

    def _grey(self, camera_from_board, height, width, top, left):
        """Return the part of the picture that begins at ``top`` and ``left``."""
        rotation, shift = camera_from_board[:3, :3], camera_from_board[:3, 3]
        rays = self._rays[top : top + height, left : left + width] @ rotation
        origin = -rotation.T @ shift
        depth = -origin[2] / rays[..., 2]
        cells = (origin[:2] + depth[..., None] * rays[..., :2]) / self.square
        column, row = np.moveaxis(np.floor(cells), -1, 0)
        inside = (column >= -1) & (column < self.columns) & (row >= -1) & (row < self.rows)
        # A white margin of one square around the outermost ones.
        margin = (column >= -2) & (column <= self.columns) & (row >= -2) & (row <= self.rows)
        black = _edges(cells[..., 0]) * _edges(cells[..., 1]) / 2 + 0.5
        grey = _WHITE + black * (_BLACK - _WHITE)
        return np.where(inside, grey, np.where(margin, _WHITE, _AROUND))

    def seen(self, camera_from_board):
        """Return the pixels (4, 2) of the outermost squares' corners."""
        rotation, shift = camera_from_board[:3, :3], camera_from_board[:3, 3]
        return self.camera.project(self._outline @ rotation.T + shift)

    def poses(self, count: int, width: float, tilt: float = 35.0, seed: int = 0):
        """Yield poses (4, 4) of the board in which all of its squares are in the picture.

        Of every two, one has the board in a corner of the picture, each corner in turn.

        Args:
            count: how many.
            width: of the board in the picture, by the picture's width.
            tilt: degrees, at most.
            seed: of the random poses.
        """
        random = np.random.default_rng(seed)
        size = np.array([self.camera.width, self.camera.height])
        # Outer corners of the board and of the picture, in one order.
        corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        done = 0
        while done < count:
            pose = self._turned(random, tilt)
            if done % 2:
                pixel, point = size * random.uniform(0.3, 0.7, 2), self.centre
            else:
                number = done // 2 % 4
                pixel = size * (0.01 + 0.98 * corners[number])
                point = self._outline[number]
            ray = np.append(self.camera.undistort(pixel[None])[0], 1.0)
            distance = self.camera.focal * (self.columns + 1) * self.square
            distance *= random.uniform(0.8, 1.4) / (width * self.camera.width)
            pose[:3, 3] = ray / np.linalg.norm(ray) * distance - pose[:3, :3] @ point
            seen = self.seen(pose)
            if np.all((seen > 1) & (seen < size - 2)):
                done += 1
                yield pose

    @staticmethod
    def _turned(random, tilt):
        angles = [*random.uniform(-tilt, tilt, 2), random.uniform(-15, 15)]
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_euler('xyz', angles, degrees=True).as_matrix()
        return pose


def _edges(u: np.ndarray) -> np.ndarray:
    """Return a wave between -1 and 1 that changes its sign at every whole number of ``u``.

    Args:
        u: (H, W), a coordinate on the board in squares; each change is ``_BLUR`` pixels wide.
    """
    by_pixel = np.hypot(*np.gradient(u))
    line = np.round(u)
    return np.where(line % 2 == 0, 1.0, -1.0) * (2 * (u - line) / (_BLUR * by_pixel)).clip(-1, 1)
