# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Builds a scene from surfaces, each with a painted picture, lit and placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from loftr_vo.synthetic.brush import Painter
from loftr_vo.synthetic.scene import Rectangles
from loftr_vo.synthetic.textures import TextureBank

TILE = 512  # texels, the side of the bank's textures
DOWN = np.array([0.0, 1.0, 0.0])
# Light comes from above, a little from one side and from behind.
_TO_LIGHT = np.array([0.36, -0.87, -0.34])
_AMBIENT = 0.82
_OVERLAP = 0.002  # metres that surfaces reach over their edges, so that no gap is left
_FOOT_SHADE = 0.3  # share of the light that is lost where a surface meets the ground
_FOOT_HEIGHT = 0.3  # metres over which it comes back


@dataclass(eq=False)
class Stage:
    """Surfaces in a world with x right, y down, z forward; the ground is at y = 0.

    A surface is seen from one side only, and its picture covers it once: nothing repeats.

    Attributes:
        rng: what the painters draw from.
        scale: texels per metre of surfaces that do not ask for their own.
    """

    rng: np.random.Generator
    scale: float
    _centres: list[np.ndarray] = field(default_factory=list)
    _axes: list[np.ndarray] = field(default_factory=list)
    _half_sizes: list[np.ndarray] = field(default_factory=list)
    _densities: list[float] = field(default_factory=list)
    _tiles: list[np.ndarray] = field(default_factory=list)

    @property
    def surfaces(self) -> int:
        """Number of tiles placed so far."""
        return len(self._tiles)

    def upright(
        self,
        painter: Painter,
        centre: np.ndarray,
        outward: np.ndarray,
        size: tuple[float, float],
        scale: float | None = None,
    ) -> None:
        """Add an upright surface, darker at its foot where that is near the ground.

        Args:
            painter: what is on it.
            centre: (3,) metres.
            outward: (3,) horizontal unit vector towards the side it is seen from.
            size: (width, height) in metres.
            scale: texels per metre; the stage's if None.
        """
        scale = scale or self.scale
        picture = self.paint(painter, size, scale)
        rows = len(picture)
        above_ground = -centre[1] - size[1] / 2 + (rows - 0.5 - np.arange(rows)) / scale
        shade = 1.0 - _FOOT_SHADE * np.exp(-np.maximum(above_ground, 0.0) / _FOOT_HEIGHT)
        right = np.cross(DOWN, -outward)
        self.place(picture * shade[:, None] * light(outward), centre, right, DOWN, size)

    def box(
        self,
        side: Painter,
        top: Painter,
        foot: np.ndarray,
        size: tuple[float, float, float],
        heading: float = 0.0,
        scale: float | None = None,
        front: Painter | None = None,
    ) -> None:
        """Add a box without its underside.

        Args:
            side: what is on its upright sides.
            top: what is on its top.
            foot: (3,) metres, the middle of its underside.
            size: (width, height, depth) in metres.
            heading: radians about the upright axis; at 0 the front faces -z.
            scale: texels per metre; the stage's if None.
            front: what is on its front and back; ``side`` if None.
        """
        scale = scale or self.scale
        width, height, depth = size
        across = np.array([np.cos(heading), 0.0, -np.sin(heading)])
        along = np.array([np.sin(heading), 0.0, np.cos(heading)])
        middle = foot - DOWN * height / 2
        for outward, reach, breadth, painter in (
            (-along, depth / 2, width, front or side),
            (along, depth / 2, width, front or side),
            (-across, width / 2, depth, side),
            (across, width / 2, depth, side),
        ):
            self.upright(painter, middle + reach * outward, outward, (breadth, height), scale)
        picture = self.paint(top, (width, depth), scale) * light(-DOWN)
        self.place(picture, middle - DOWN * height / 2, across, -along, (width, depth))

    def paint(self, painter: Painter, size: tuple[float, float], scale: float) -> np.ndarray:
        """Return a picture of (width, height) metres: (H, W) float32."""
        texels = (max(8, round(size[1] * scale)), max(8, round(size[0] * scale)))
        return painter(self.rng, texels, scale)

    def place(
        self,
        picture: np.ndarray,
        centre: np.ndarray,
        right: np.ndarray,
        down: np.ndarray,
        size: tuple[float, float],
    ) -> None:
        """Add a surface that shows all of ``picture``; large ones become several tiles.

        It is visible in the viewing direction ``right`` x ``down``.

        Args:
            picture: (H, W) in [0, 1].
            centre: (3,) metres.
            right, down: (3,) unit vectors along the picture's rows and columns.
            size: (width, height) in metres; texels stay square if its shape is the picture's.
        """
        height, width = picture.shape
        density = width / size[0]
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                part = picture[top : top + TILE, left : left + TILE]
                middle = np.array([left + part.shape[1] / 2, top + part.shape[0] / 2])
                offset = (middle - np.array([width, height]) / 2) / density
                self._centres.append(centre + offset[0] * right + offset[1] * down)
                self._axes.append(np.stack([right, down]))
                self._half_sizes.append(np.array(part.shape[::-1]) / 2 / density + _OVERLAP)
                self._densities.append(density)
                self._tiles.append(_padded(part))

    def build(self) -> tuple[Rectangles, TextureBank]:
        """Return the scene, a batch of one, and its textures."""
        count = len(self._tiles)
        scene = Rectangles(
            centre=_batch(self._centres),
            axes=_batch(self._axes),
            half_size=_batch(self._half_sizes),
            texture=torch.arange(count)[None],
            density=_batch(self._densities),
            offset=torch.full((1, count, 2), TILE / 2),
            contrast=torch.ones(1, count),
            moving=torch.zeros(1, count, dtype=torch.bool),
        )
        return scene, TextureBank.from_textures(torch.from_numpy(np.stack(self._tiles)))


def light(outward: np.ndarray) -> float:
    """Return the share of light that a surface reflects."""
    return _AMBIENT + (1.0 - _AMBIENT) * max(0.0, float(outward @ _TO_LIGHT))


def _padded(part: np.ndarray) -> np.ndarray:
    """Put a picture into the middle of a tile, its edges drawn out to the tile's."""
    height, width = part.shape
    top, left = (TILE - height) // 2, (TILE - width) // 2
    margins = ((top, TILE - height - top), (left, TILE - width - left))
    return np.pad(part, margins, mode='edge').astype(np.float32)


def _batch(values: Sequence[np.ndarray] | Sequence[float]) -> torch.Tensor:
    return torch.from_numpy(np.stack(values)[None].astype(np.float32))
