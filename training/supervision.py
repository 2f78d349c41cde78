# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""True matches of a pair, from its depth and pose (Sun et al., CVPR 2021, section 3.6)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from loftr_vo.synthetic.constants import constant
from loftr_vo.synthetic.inverse import inverse
from loftr_vo.synthetic.pairs import Pairs

CELL = 8  # pixels of a coarse cell
_DEPTH_TOLERANCE = 0.02  # relative; beyond it, another surface is visible there


@dataclass(frozen=True, eq=False)
class Supervision:
    """Labels of the L = (H / 8)(W / 8) cells of the first picture of B pairs.

    Attributes:
        matched: (B, L) bool, the cell's centre is seen in both and its cells are mutual.
        partner: (B, L) int64, the matching cell of the second picture; 0 where not matched.
        position: (B, L, 2) float32, where the cell's centre lies in the second picture, pixels.
        unmatchable: (B, L) bool, the cell's centre is surely not seen in the second picture.
    """

    matched: torch.Tensor
    partner: torch.Tensor
    position: torch.Tensor
    unmatchable: torch.Tensor


def supervise(pairs: Pairs) -> Supervision:
    """Warp each picture's cell centres into the other; keep the mutual ones."""
    height, width = pairs.depths.shape[-2:]
    forward = pairs.second_from_first
    position, seen, hidden = _warp(pairs.depths, pairs.moving, pairs.intrinsics, forward)
    back, seen_back, _ = _warp(
        pairs.depths.flip(0),
        pairs.moving.flip(0),
        pairs.intrinsics.flip(0),
        inverse(forward),
    )
    partner, inside = _cell_of(position, height, width)
    partner_back, inside_back = _cell_of(back, height, width)
    cells = torch.arange(partner.shape[1], device=partner.device)
    mutual = partner_back.gather(1, partner) == cells
    matched = seen & inside & mutual & (seen_back & inside_back).gather(1, partner)
    return Supervision(matched, partner * matched, position, hidden)


def estranged(pairs: Pairs, truth: Supervision) -> tuple[Pairs, Supervision]:
    """Exchange the second pictures of a batch, so that no pair shows the same place."""
    images = torch.stack([pairs.images[0], pairs.images[1].roll(1, dims=0)])
    never = torch.zeros_like(truth.matched)
    return (
        dataclasses.replace(pairs, images=images),
        dataclasses.replace(
            truth, matched=never, partner=torch.zeros_like(truth.partner), unmatchable=~never
        ),
    )


def cells_around(
    position: torch.Tensor, deviation: float, height: int, width: int
) -> torch.Tensor:
    """Return cells in which places might be found: the nearest, or by chance a neighbour.

    Args:
        position: (B, K, 2) pixels of a picture.
        deviation: standard deviation in pixels by which a place may be taken for another.
        height: of the picture.
        width: of the picture.

    Returns:
        (B, K) int64, row-major.
    """
    return _cell_of(position + deviation * torch.randn_like(position), height, width)[0]


def cell_centres(height: int, width: int, device: torch.device) -> torch.Tensor:
    """(L, 2) pixels: LoFTR's cell (i, j) stands for the pixel (8 j, 8 i)."""
    y = torch.arange(0, height, CELL, device=device, dtype=torch.float32)
    x = torch.arange(0, width, CELL, device=device, dtype=torch.float32)
    y, x = torch.meshgrid(y, x, indexing='ij')
    return torch.stack([x, y], -1).view(-1, 2)


def _warp(
    depths: torch.Tensor, moving: torch.Tensor, intrinsics: torch.Tensor, motion: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Positions (B, L, 2) of the centres in the other picture, seen (B, L), hidden (B, L)."""
    height, width = depths.shape[-2:]
    centres = cell_centres(height, width, depths.device)
    x, y = centres.long().unbind(-1)
    depth = depths[0][:, y, x]
    homogeneous = torch.cat([centres, torch.ones_like(centres[:, :1])], -1)
    ray = torch.einsum('bij,lj->bli', inverse(intrinsics[0]), homogeneous)
    points = torch.einsum('bij,blj->bli', motion[:, :3, :3], ray * depth[..., None])
    points = points + motion[:, None, :3, 3]
    distance = points[..., 2]
    projected = torch.einsum('bij,blj->bli', intrinsics[1], points)
    position = projected[..., :2] / distance.clamp_min(1e-3)[..., None]
    inside = (
        (distance > 1e-3)
        & (position >= -0.5).all(-1)
        & (position[..., 0] <= width - 0.5)
        & (position[..., 1] <= height - 0.5)
    )
    found = _bilinear_inverse_depth(depths[1], position)
    agreeing = (1 - distance * found).abs() < _DEPTH_TOLERANCE
    still = ~moving[0][:, y, x]
    occluded = inside & (distance * found > 1.2)
    return position, inside & agreeing & still, (~inside | occluded) & still


def _bilinear_inverse_depth(depth: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """(B, L): inverse depth is linear along a plane's picture, so this is exact on planes."""
    height, width = depth.shape[-2:]
    scale = constant((2 / (width - 1), 2 / (height - 1)), depth.device)
    grid = (position * scale - 1)[:, None]
    return torch.nn.functional.grid_sample(
        1 / depth[:, None], grid, align_corners=True, padding_mode='border'
    )[:, 0, 0]


def _cell_of(position: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest cell (B, L) int64, and whether there is one."""
    columns, rows = width // CELL, height // CELL
    nearest = (position.clamp(-1e4, 1e4) / CELL).round().long()
    x, y = nearest.unbind(-1)
    inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    return y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1), inside
