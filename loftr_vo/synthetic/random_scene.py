# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Random scenes: floors and walls, boxes, and panels, some of which move."""

from __future__ import annotations

import math

import torch

from loftr_vo.synthetic.constants import constant
from loftr_vo.synthetic.random_numbers import RandomNumbers
from loftr_vo.synthetic.scene import (
    Rectangles,
    boxes,
    rectangles,
    rotation_from_vector,
    upright,
)
from loftr_vo.synthetic.textures import TextureBank

_BOXES = 4
_PANELS = 8
_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
# Floor, ceiling, left, right, behind: the axes along which each runs, and how often it is there.
_SURROUNDINGS = ((_X, _Z), (_X, _Z), (_Z, _Y), (_Z, _Y), (_X, _Y))
_LIKELY = (0.85, 0.35, 0.5, 0.5, 0.8)
_FAR_AWAY = 60.0  # metres: half the extent of floors and walls


class RandomScenes:
    """Draws scenes.

    Args:
        bank: of the textures.
        random: draws everything.
    """

    def __init__(self, bank: TextureBank, random: RandomNumbers) -> None:
        self._bank = bank
        self._random = random

    def draw(self, batch: int, intrinsics: torch.Tensor) -> Rectangles:
        """Return ``batch`` scenes for cameras with these intrinsics, (B, 3, 3)."""
        # Per scene: how coarse its textures are, how blank it is, whether things move in it.
        fineness = intrinsics[:, 0, 0] * torch.exp(self._random.uniform(batch, low=-1.2, high=1.6))
        blank = self._random.uniform(batch) < 0.2
        contrast = torch.where(blank, self._random.uniform(batch, low=0.06, high=0.4), 1.0)
        liveliness = (self._random.uniform(batch) < 0.4).float() * 0.2
        return Rectangles.cat(
            [
                self._surroundings(batch, fineness, contrast),
                self._furniture(batch, fineness, contrast, liveliness),
                self._panels(batch, fineness, contrast, liveliness),
            ]
        )

    def _surroundings(
        self, batch: int, fineness: torch.Tensor, contrast: torch.Tensor
    ) -> Rectangles:
        """Floor, ceiling, walls to both sides and one behind, each there or not."""
        height = self._random.uniform(batch, low=0.4, high=2.5)
        above = self._random.uniform(batch, low=0.6, high=4.0)
        left = self._random.uniform(batch, low=0.8, high=8.0)
        right = self._random.uniform(batch, low=0.8, high=8.0)
        back = torch.exp(self._random.uniform(batch, low=math.log(2.5), high=math.log(40.0)))
        zero = torch.zeros(batch, device=self._random.device)
        centre = torch.stack(
            [
                torch.stack([zero, height, back / 2], -1),
                torch.stack([zero, -above, back / 2], -1),
                torch.stack([-left, zero, back / 2], -1),
                torch.stack([right, zero, back / 2], -1),
                torch.stack([zero, zero, back], -1),
            ],
            dim=1,
        )
        axes = constant(_SURROUNDINGS, self._random.device).expand(batch, 5, 2, 3)
        tilt = rotation_from_vector(self._random.normal(batch, 5, 3) * 0.12)
        axes = torch.einsum('bpij,bpkj->bpki', tilt, axes)
        likely = constant(_LIKELY, self._random.device)
        present = (self._random.uniform(batch, 5) < likely).float()
        extent = torch.full((batch, 5, 2), _FAR_AWAY, device=present.device) * present[..., None]
        reach = torch.stack([height * 2, above * 2, left, right, back], 1)
        return rectangles(
            centre,
            axes,
            extent,
            self._bank,
            fineness[:, None] / reach,
            self._random.generator,
            self._varied(contrast, 5),
        )

    def _furniture(
        self,
        batch: int,
        fineness: torch.Tensor,
        contrast: torch.Tensor,
        liveliness: torch.Tensor,
    ) -> Rectangles:
        centre, distance = self._places(batch, _BOXES)
        turned = upright(self._random.uniform(batch, _BOXES, low=-math.pi, high=math.pi))
        tumbled = rotation_from_vector(self._random.normal(batch, _BOXES, 3))
        standing = self._random.uniform(batch, _BOXES) < 0.6
        rotation = torch.where(standing[..., None, None], turned, tumbled)
        half = self._random.uniform(batch, _BOXES, 3, low=0.06, high=0.3) * distance[..., None]
        faces = boxes(
            centre,
            rotation,
            half,
            self._bank,
            fineness[:, None] / distance,
            self._random.generator,
            self._varied(contrast, _BOXES),
        )
        moving = self._random.uniform(batch, _BOXES) < liveliness[:, None]
        faces.moving.copy_(moving.repeat(1, 6))
        return faces

    def _panels(
        self,
        batch: int,
        fineness: torch.Tensor,
        contrast: torch.Tensor,
        liveliness: torch.Tensor,
    ) -> Rectangles:
        centre, distance = self._places(batch, _PANELS)
        axes = rotation_from_vector(self._random.normal(batch, _PANELS, 3) * 0.6)[..., :2, :]
        half = self._random.uniform(batch, _PANELS, 2, low=0.08, high=0.5) * distance[..., None]
        panels = rectangles(
            centre,
            axes,
            half,
            self._bank,
            fineness[:, None] / distance,
            self._random.generator,
            self._varied(contrast, _PANELS),
        )
        panels.moving.copy_(self._random.uniform(batch, _PANELS) < liveliness[:, None])
        return panels

    def _places(self, batch: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Centres (B, N, 3) within the view, and their distances (B, N)."""
        z = torch.exp(self._random.uniform(batch, count, low=math.log(1.2), high=math.log(14.0)))
        x = z * self._random.uniform(batch, count, low=-0.8, high=0.8)
        y = z * self._random.uniform(batch, count, low=-0.5, high=0.5)
        return torch.stack([x, y, z], -1), z

    def _varied(self, contrast: torch.Tensor, count: int) -> torch.Tensor:
        return contrast[:, None] * self._random.uniform(len(contrast), count, low=0.5, high=1.2)
