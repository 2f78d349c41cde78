# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Anti-aliased lookup in textures with mip levels."""

from __future__ import annotations

from typing import NamedTuple

import torch

from loftr_vo.synthetic.textures import TextureBank


def sample(
    bank: TextureBank,
    texture: torch.Tensor,
    texels: torch.Tensor,
    jacobian: torch.Tensor,
    taps: int,
) -> torch.Tensor:
    """Anti-aliased lookup: trilinear on the mip levels, with taps along the longer axis.

    The scheme is the one of graphics hardware (anisotropic filtering as in EXT_texture_filter_
    anisotropic): the level follows the footprint's shorter axis, or a taps-th of the longer one
    where that is more.

    Args:
        bank: the textures.
        texture: (...) int64, which texture.
        texels: (..., 2) position on the finest level; mirrored past the ends.
        jacobian: (..., 2, 2) texels per pixel of the picture, columns by x and y.
        taps: samples along the longer axis.
    """
    # One plane a component: contiguous, where the pairs above need not be.
    u, v = texels.unbind(-1)
    (u_by_x, u_by_y), (v_by_x, v_by_y) = (row.unbind(-1) for row in jacobian.unbind(-2))
    by_x = (u_by_x.square() + v_by_x.square()).sqrt()
    by_y = (u_by_y.square() + v_by_y.square()).sqrt()
    longer, shorter = torch.maximum(by_x, by_y), torch.minimum(by_x, by_y)
    footprint = torch.maximum(shorter, longer / taps).clamp_min(1e-6)
    level = footprint.log2().clamp(0, bank.levels - 1.001)
    # 32 bits are enough within a texture, and half the memory's traffic.
    finer = level.int()
    fraction = level - finer
    levels = [_Level.of(bank, texture, each) for each in (finer, finer + 1)]
    along_x = by_x >= by_y
    u_along = torch.where(along_x, u_by_x, u_by_y)
    v_along = torch.where(along_x, v_by_x, v_by_y)
    total = torch.zeros_like(level)
    for tap in range(taps):
        shift = (tap + 0.5) / taps - 0.5
        place = u + shift * u_along, v + shift * v_along
        fine, coarse = (_bilinear(bank, each, *place) for each in levels)
        total = total + (fine * (1 - fraction) + coarse * fraction)
    return total / taps


class _Level(NamedTuple):
    """A mip level for each of N lookups.

    Attributes:
        start: (N,) int64, where its texture begins in the bank.
        side: (N,) int32, of its texture in texels.
        period: (N,) float32, twice that: a mirrored texture repeats after it.
        texel: (N,) float32, of the level in those of the finest.
    """

    start: torch.Tensor
    side: torch.Tensor
    period: torch.Tensor
    texel: torch.Tensor

    @classmethod
    def of(cls, bank: TextureBank, texture: torch.Tensor, level: torch.Tensor) -> _Level:
        side = bank.size >> level
        start = bank.level_starts[level] + texture * side * side
        return cls(start, side, 2.0 * side, (1 << level).to(torch.float32))


def _bilinear(bank: TextureBank, level: _Level, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    x0, x1, fx = _neighbours(level, u)
    y0, y1, fy = _neighbours(level, v)
    upper, lower = level.start + y0 * level.side, level.start + y1 * level.side
    texels = bank.texels
    top = torch.lerp(texels.take(upper + x0), texels.take(upper + x1), fx)
    bottom = torch.lerp(texels.take(lower + x0), texels.take(lower + x1), fx)
    return torch.lerp(top, bottom, fy)


def _neighbours(
    level: _Level, position: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The texels (N,) int32 on both sides of positions (N,), and the second's weight (N,)."""
    # Texel k of a level has its centre at k + 1/2 of that level's texels.
    scaled = position / level.texel - 0.5
    # The remainder: the period is a power of two, so all but the difference is exact.
    mirrored = scaled - (scaled / level.period).floor_().mul_(level.period)
    mirrored = torch.minimum(mirrored, level.period - 1 - mirrored).clamp_min_(0)
    whole = mirrored.floor()
    last = level.side - 1
    first = torch.minimum(whole.int(), last)
    return first, torch.minimum(first + 1, last), mirrored.sub_(whole)
