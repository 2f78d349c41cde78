# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A bank of textures with their mip levels."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from loftr_vo.synthetic.painters import random_textures


@dataclass(frozen=True, eq=False)
class TextureBank:
    """Square textures of one size, all mip levels flattened into one buffer.

    Attributes:
        texels: (T * sum of level sizes,) float32 in [0, 1]; level by level, texture by texture.
        size: side of the finest level in texels, a power of two.
        count: number of textures.
    """

    texels: torch.Tensor
    size: int
    count: int

    @property
    def levels(self) -> int:
        """Number of mip levels, the coarsest being 4 texels wide."""
        return self.size.bit_length() - 2

    @functools.cached_property
    def level_starts(self) -> torch.Tensor:
        """(levels + 1,) int64, where in ``texels`` each level starts, and where the last ends."""
        finest = self.count * self.size * self.size  # and T S^2 (1 + 1/4 + ...) in all
        starts = [
            math.floor(finest * (4 / 3) * (1 - 0.25**level) + 0.5)
            for level in range(self.levels + 1)
        ]
        return torch.tensor(starts, device=self.texels.device)

    @classmethod
    def from_textures(cls, textures: torch.Tensor) -> TextureBank:
        """Build the bank from (T, S, S) float32 textures; S must be a power of two."""
        count, size, _ = textures.shape
        if size < 8 or size & (size - 1):
            raise ValueError(f'textures must have a side that is a power of two, got {size}')
        level, flattened = textures[:, None], []
        while level.shape[-1] >= 4:
            flattened.append(level.reshape(-1))
            level = F.avg_pool2d(level, 2)
        return cls(torch.cat(flattened), size, count)

    @classmethod
    def random(
        cls, count: int, size: int = 256, seed: int = 0, device: str | torch.device = 'cpu'
    ) -> TextureBank:
        """Paint ``count`` textures, the same for the same seed; see ``random_textures``."""
        return cls.from_textures(torch.from_numpy(random_textures(count, size, seed)).to(device))
