# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What a pinhole camera sees of textured rectangles, with exact depth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from loftr_vo.synthetic.inverse import inverse
from loftr_vo.synthetic.ray_casting import Hits, cast, plane_homographies
from loftr_vo.synthetic.scene import Rectangles
from loftr_vo.synthetic.texture_sampling import sample
from loftr_vo.synthetic.textures import TextureBank

_BACKGROUND_TEXELS_PER_RADIAN = 160.0


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
