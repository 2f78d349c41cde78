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
    missed = hits.chosen < 0

    def of_hit(values: torch.Tensor) -> torch.Tensor:
        return values.gather(1, index)

    # One plane an entry of the homography: (B, N) each.
    entries = homographies.flatten(2).transpose(1, 2)
    u_x, u_y, u_1, v_x, v_y, v_1, w_x, w_y, _ = entries.gather(
        2, index[:, None].expand(-1, 9, -1)
    ).unbind(1)
    x, y, _ = hits.pixels.unbind(1)
    w = torch.where(missed, torch.ones_like(hits.inverse_depth), hits.inverse_depth)
    density = of_hit(scene.density)
    scale = density / per_pixel
    offset = scene.offset.gather(1, index[..., None].expand(-1, -1, 2)).unbind(-1)
    texels, jacobian = [], []
    for (by_x, by_y, constant), start in zip(
        ((u_x, u_y, u_1), (v_x, v_y, v_1)), offset, strict=True
    ):
        metres = (by_x * x + by_y * y + constant) / w  # from the centre
        texels.append(metres * density + start)
        # d(U/w)/dx = (dU/dx - (U/w) dw/dx) / w, for x and y of the pixel.
        jacobian += [(by_x - metres * w_x) / w * scale, (by_y - metres * w_y) / w * scale]
    # Where no ray misses, which is asked on a CPU only: a GPU would be waited for.
    if not index.is_cpu or missed.numpy().any():
        sky, sky_jacobian = _background(hits.pixels, world_from_camera, intrinsics)
        beyond = [*sky.unbind(-1), *(sky_jacobian / per_pixel).flatten(-2).unbind(-1)]
        seen = [*texels, *jacobian]
        seen = [torch.where(missed, *pair) for pair in zip(beyond, seen, strict=True)]
        texels, jacobian = seen[:2], seen[2:]
    value = sample(
        bank,
        of_hit(scene.texture),
        torch.stack(texels).movedim(0, -1),
        torch.stack(jacobian).movedim(0, -1).unflatten(-1, (2, 2)),
        taps,
    )
    contrast = torch.where(missed, torch.ones_like(value), of_hit(scene.contrast))
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
