# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Anti-aliased lookup in textures with mip levels."""

from __future__ import annotations

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
    length = jacobian.square().sum(dim=-2).sqrt()  # (..., 2): of the x and of the y column
    longer, which = length.max(dim=-1)
    shorter = length.amin(dim=-1)
    footprint = torch.maximum(shorter, longer / taps).clamp_min(1e-6)
    level = footprint.log2().clamp(0, bank.levels - 1.001)
    along = jacobian.gather(-1, which[..., None, None].expand(*which.shape, 2, 1))[..., 0]
    total = torch.zeros_like(level)
    for tap in range(taps):
        shift = (tap + 0.5) / taps - 0.5
        total = total + _trilinear(bank, texture, texels + shift * along, level)
    return total / taps


def _trilinear(
    bank: TextureBank, texture: torch.Tensor, texels: torch.Tensor, level: torch.Tensor
) -> torch.Tensor:
    # 32 bits are enough within a texture, and half the memory's traffic.
    finer = level.int()
    fraction = level - finer
    return (
        _bilinear(bank, texture, texels, finer) * (1 - fraction)
        + _bilinear(bank, texture, texels, finer + 1) * fraction
    )


def _bilinear(
    bank: TextureBank, texture: torch.Tensor, texels: torch.Tensor, level: torch.Tensor
) -> torch.Tensor:
    side = bank.size >> level
    # Texel k of a level has its centre at k + 1/2 of that level's texels.
    scaled = texels / (1 << level)[..., None] - 0.5
    period = 2.0 * side[..., None]
    mirrored = torch.remainder(scaled, period)
    mirrored = torch.minimum(mirrored, period - 1 - mirrored).clamp_min(0)
    whole = mirrored.floor()
    fraction = mirrored - whole
    x0, y0 = whole.int().unbind(-1)
    last = side - 1
    x0, y0 = torch.minimum(x0, last), torch.minimum(y0, last)
    x1, y1 = torch.minimum(x0 + 1, last), torch.minimum(y0 + 1, last)
    start = bank.level_starts[level] + texture * side * side
    upper, lower = start + y0 * side, start + y1 * side
    fx, fy = fraction.unbind(-1)
    top = torch.lerp(bank.texels[upper + x0], bank.texels[upper + x1], fx)
    bottom = torch.lerp(bank.texels[lower + x0], bank.texels[lower + x1], fx)
    return torch.lerp(top, bottom, fy)
