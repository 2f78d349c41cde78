# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The ray-caster: what a pinhole camera sees of textured rectangles, with exact depth.

A rectangle's texture coordinates, and the inverse depth of its plane, are ratios of linear
functions of the pixel: a plane-induced homography (Hartley and Zisserman, 2nd ed., 13.1). Along a
row of the picture a rectangle is therefore one interval, and its inverse depth a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from loftr_vo.synthetic.constants import constant
from loftr_vo.synthetic.inverse import inverse
from loftr_vo.synthetic.scene import Rectangles
from loftr_vo.synthetic.textures import TextureBank

# Rays that meet no rectangle see a sphere so far away that it shows no parallax.
BACKGROUND_DEPTH = 1e4
_BACKGROUND_TEXELS_PER_RADIAN = 160.0
_NEAREST = 0.05  # metres; nothing nearer is seen


@dataclass(frozen=True, eq=False)
class Rendering:
    """What B cameras see.

    Attributes:
        image: (B, H, W) float32 in [0, 1].
        depth: (B, H, W) float32, z in the camera in metres, at the pixel's centre.
        moving: (B, H, W) bool, where a moving rectangle is seen.
    """

    image: torch.Tensor
    depth: torch.Tensor
    moving: torch.Tensor


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


def render(
    scene: Rectangles,
    bank: TextureBank,
    world_from_camera: torch.Tensor,
    intrinsics: torch.Tensor,
    size: tuple[int, int],
    *,
    taps: int = 4,
    supersampling: int = 1,
) -> Rendering:
    """Ray-cast B scenes with B cameras.

    Args:
        scene: the rectangles.
        bank: the textures they refer to.
        world_from_camera: (B, 4, 4), optical axes (x right, y down, z forward).
        intrinsics: (B, 3, 3) pinhole matrices in pixels.
        size: (H, W) of the pictures.
        taps: samples along the longer axis of a pixel's footprint on the texture.
        supersampling: rays per pixel along each axis; more than one smooths outlines.
    """
    height, width = size
    homographies = plane_homographies(scene, world_from_camera, intrinsics)
    hits = cast(homographies, scene, *_pixel_centres(height, width, 1, intrinsics.device))
    fine_hits = hits
    if supersampling > 1:
        centres = _pixel_centres(height, width, supersampling, intrinsics.device)
        fine_hits = cast(homographies, scene, *centres)
    image = _shade(
        fine_hits, homographies, scene, bank, world_from_camera, intrinsics, taps, supersampling
    ).view(-1, 1, height * supersampling, width * supersampling)
    seen_moving = scene.moving.gather(1, hits.chosen.clamp_min(0)) & (hits.chosen >= 0)
    return Rendering(
        F.avg_pool2d(image, supersampling)[:, 0].clamp(0, 1),
        (1.0 / hits.inverse_depth).view(-1, height, width),
        seen_moving.view(-1, height, width),
    )


def _pixel_centres(
    height: int, width: int, per_pixel: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns to cast; sub-pixels are spread evenly around each pixel's centre."""
    rows = (torch.arange(height * per_pixel, device=device) + 0.5) / per_pixel - 0.5
    columns = (torch.arange(width * per_pixel, device=device) + 0.5) / per_pixel - 0.5
    return rows, columns


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


def _shade(
    hits: Hits,
    homographies: torch.Tensor,
    scene: Rectangles,
    bank: TextureBank,
    world_from_camera: torch.Tensor,
    intrinsics: torch.Tensor,
    taps: int,
    per_pixel: int,
) -> torch.Tensor:
    """(B, N) intensities."""
    index = hits.chosen.clamp_min(0)
    batch = torch.arange(len(index), device=index.device)[:, None]
    local = homographies[batch, index]  # (B, N, 3, 3)
    x, y, _ = hits.pixels[..., None].unbind(1)
    numerator = local[..., :2, 0] * x + local[..., :2, 1] * y + local[..., :2, 2]
    w = torch.where(hits.chosen < 0, torch.ones_like(hits.inverse_depth), hits.inverse_depth)
    position = numerator / w[..., None]  # metres from the centre
    # d(U/w)/dx = (dU/dx - (U/w) dw/dx) / w, for x and y of the pixel: (B, N, uv, xy)
    jacobian = (local[..., :2, :2] - position[..., None] * local[..., 2:3, :2]) / w[
        ..., None, None
    ]
    density = scene.density[batch, index]
    texels = position * density[..., None] + scene.offset[batch, index]
    jacobian = jacobian * (density / per_pixel)[..., None, None]

    sky, sky_jacobian = _background(hits.pixels, world_from_camera, intrinsics)
    missed = hits.chosen < 0
    texels = torch.where(missed[..., None], sky, texels)
    jacobian = torch.where(missed[..., None, None], sky_jacobian / per_pixel, jacobian)

    texture = scene.texture[batch, index]
    value = sample(bank, texture, texels, jacobian, taps)
    contrast = torch.where(missed, torch.ones_like(value), scene.contrast[batch, index])
    return 0.5 + (value - 0.5) * contrast


def _background(
    pixels: torch.Tensor, world_from_camera: torch.Tensor, intrinsics: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Texels (B, N, 2) on the sphere by longitude and latitude, and their Jacobian."""
    world_from_pixel = world_from_camera[:, :3, :3] @ inverse(intrinsics)
    ray = torch.einsum('bij,nj->bni', world_from_pixel, pixels)
    longitude = torch.atan2(ray[..., 0], ray[..., 2])
    latitude = torch.atan2(ray[..., 1], torch.hypot(ray[..., 0], ray[..., 2]))
    texels = torch.stack([longitude, latitude], -1) * _BACKGROUND_TEXELS_PER_RADIAN
    # One pixel turns the ray by about 1 / focal length, whatever its direction.
    per_pixel = _BACKGROUND_TEXELS_PER_RADIAN / intrinsics[:, 0, 0]
    eye = torch.eye(2, device=pixels.device)
    jacobian = per_pixel[:, None, None, None] * eye
    return texels, jacobian.expand(*texels.shape, 2)


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
