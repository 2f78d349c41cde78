# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Which rectangle each ray of a pinhole camera meets first.

A rectangle's texture coordinates, and the inverse depth of its plane, are ratios of linear
functions of the pixel: a plane-induced homography (Hartley and Zisserman, 2nd ed., 13.1). Along a
row of the picture a rectangle is therefore one interval, and its inverse depth a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from loftr_vo.synthetic.constants import constant
from loftr_vo.synthetic.inverse import inverse
from loftr_vo.synthetic.scene import Rectangles

# Rays that meet no rectangle see a sphere so far away that it shows no parallax.
BACKGROUND_DEPTH = 1e4

_NEAREST = 0.05  # metres; nothing nearer is seen


@dataclass(frozen=True, eq=False)
class Hits:
    """The nearest rectangle along each of N rays of B cameras.

    Attributes:
        pixels: (N, 3) homogeneous pixel coordinates.
        chosen: (B, N) int64, the rectangle, or -1 for the background.
        inverse_depth: (B, N), 1 / z.
    """

    pixels: torch.Tensor
    chosen: torch.Tensor
    inverse_depth: torch.Tensor


def plane_homographies(
    scene: Rectangles, world_from_camera: torch.Tensor, intrinsics: torch.Tensor
) -> torch.Tensor:
    """Return (B, P, 3, 3): pixel to (u w, v w, w); u, v in metres from the centre, w = 1 / z."""
    rotation, position = world_from_camera[:, :3, :3], world_from_camera[:, :3, 3]
    ray = rotation @ inverse(intrinsics)  # (B, 3, 3): pixel to direction in the world
    to_centre = scene.centre - position[:, None]
    normal = scene.normal
    distance = (normal * to_centre).sum(-1, keepdim=True)
    # A plane seen edge-on through the camera has no inverse depth; a hair off, it has.
    distance = torch.where(distance.abs() < 1e-6, torch.full_like(distance, 1e-6), distance)
    inverse_depth = (normal @ ray) / distance  # (B, P, 3)
    start = -torch.einsum('bpkc,bpc->bpk', scene.axes, to_centre)  # camera in u, v
    texture = start[..., None] * inverse_depth[..., None, :] + scene.axes @ ray[:, None]
    return torch.cat([texture, inverse_depth[..., None, :]], dim=-2)


def cast(
    homographies: torch.Tensor, scene: Rectangles, rows: torch.Tensor, columns: torch.Tensor
) -> Hits:
    """Find what each pixel of a grid sees.

    Args:
        homographies: (B, P, 3, 3), of ``plane_homographies``.
        scene: the rectangles.
        rows: (H,) y of the grid's rows.
        columns: (W,) x of its columns.
    """
    first, last, inverse_depths = _row_intervals(homographies, scene, rows)
    slopes = homographies[:, :, 2, 0, None]
    find_nearest = nearest_in_turn if columns.is_cpu else nearest_in_groups
    nearest, chosen = find_nearest(first, last, inverse_depths, slopes, columns)
    y, x = torch.meshgrid(rows, columns, indexing='ij')
    missed = chosen < 0
    return Hits(
        torch.stack([x, y, torch.ones_like(x)], -1).view(-1, 3),
        chosen.flatten(1),
        nearest.masked_fill(missed, 1.0 / BACKGROUND_DEPTH).flatten(1),
    )


def nearest_in_turn(
    first: torch.Tensor,
    last: torch.Tensor,
    inverse_depths: torch.Tensor,
    slopes: torch.Tensor,
    columns: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the nearest of P rectangles at each pixel, one rectangle after the other.

    What is worked on stays in a CPU's cache, and little memory is needed.

    Args:
        first: (B, P, H), x where each rectangle begins in each row.
        last: (B, P, H), x where it ends.
        inverse_depths: (B, P, H), its inverse depth at x = 0.
        slopes: (B, P, 1), by how much that grows from one x to the next.
        columns: (W,), x of the pixels.

    Returns:
        (B, H, W) inverse depths, 0 where there is none; and (B, H, W) int64, which rectangle, -1
        where there is none. Of rectangles that lie equally deep it is the first.
    """
    batch, count, height = first.shape
    nearest = first.new_zeros(batch, height, len(columns))
    chosen = torch.full(nearest.shape, -1, device=nearest.device)
    for index in range(count):
        inverse_depth = inverse_depths[:, index, :, None] + slopes[:, index, :, None] * columns
        seen = (
            (columns >= first[:, index, :, None])
            & (columns <= last[:, index, :, None])
            & (inverse_depth > nearest)
        )
        nearest = torch.where(seen, inverse_depth, nearest)
        chosen.masked_fill_(seen, index)
    return nearest, chosen


def nearest_in_groups(
    first: torch.Tensor,
    last: torch.Tensor,
    inverse_depths: torch.Tensor,
    slopes: torch.Tensor,
    columns: torch.Tensor,
    group: int = 8,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the same as ``nearest_in_turn``, ``group`` rectangles at a time.

    An eighth of the kernels, which a GPU waits for, and half of the memory's traffic.
    """
    batch, count, height = first.shape
    nearest = first.new_zeros(batch, height, len(columns))
    chosen = torch.full(nearest.shape, -1, device=nearest.device)
    for start in range(0, count, group):
        some = slice(start, start + group)
        inverse_depth = inverse_depths[:, some, :, None] + slopes[:, some, :, None] * columns
        inside = (columns >= first[:, some, :, None]) & (columns <= last[:, some, :, None])
        best, which = torch.where(inside, inverse_depth, 0.0).max(dim=1)
        chosen = torch.where(best > nearest, which + start, chosen)
        nearest = torch.maximum(best, nearest)
    return nearest, chosen


def _row_intervals(
    homographies: torch.Tensor, scene: Rectangles, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where each rectangle begins and ends in each row, and its inverse depth at x = 0: (B, P, H).

    It is seen where six functions, linear in the pixel, are not negative: the distances from its
    four sides and from the nearest and the farthest depth.
    """
    u, v, w = homographies.unbind(2)  # (B, P, 3) each
    half_u, half_v = (half[..., None] for half in scene.half_size.unbind(-1))
    one = constant((0.0, 0.0, 1.0), w.device)
    limits = torch.stack(
        [
            half_u * w - u,
            half_u * w + u,
            half_v * w - v,
            half_v * w + v,
            w - one / BACKGROUND_DEPTH,
            one / _NEAREST - w,
        ],
        dim=2,
    )  # (B, P, 6, 3)
    slope = limits[..., 0, None]
    start = limits[..., 1, None] * rows + limits[..., 2, None]  # (B, P, 6, H)
    crossing = -start / slope
    never = (slope == 0) & (start < 0)
    first = torch.where(slope > 0, crossing, -torch.inf).masked_fill(never, torch.inf)
    last = torch.where(slope < 0, crossing, torch.inf)
    inverse_depth = w[..., 1, None] * rows + w[..., 2, None]
    return first.amax(dim=2), last.amin(dim=2), inverse_depth
