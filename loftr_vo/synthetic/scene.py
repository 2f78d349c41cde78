# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes: textured rectangles in space, in batches."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from loftr_vo.synthetic.textures import TextureBank


@dataclass(frozen=True, eq=False)
class Rectangles:
    """B scenes of P textured rectangles in the world, seen from both sides.

    Attributes:
        centre: (B, P, 3), in metres.
        axes: (B, P, 2, 3), the unit vectors along which texture u and v run, at right angles.
        half_size: (B, P, 2), half the extent along each axis, in metres.
        texture: (B, P) int64, index into the bank.
        density: (B, P), texels per metre.
        offset: (B, P, 2), where in the texture the centre lies, in texels.
        contrast: (B, P), scales the texture about its middle grey; small makes a wall blank.
        moving: (B, P) bool, whether it moves by itself between pictures.
    """

    centre: torch.Tensor
    axes: torch.Tensor
    half_size: torch.Tensor
    texture: torch.Tensor
    density: torch.Tensor
    offset: torch.Tensor
    contrast: torch.Tensor
    moving: torch.Tensor

    @property
    def normal(self) -> torch.Tensor:
        """(B, P, 3) unit normals."""
        return torch.linalg.cross(self.axes[..., 0, :], self.axes[..., 1, :])

    def moved(self, shift: torch.Tensor) -> Rectangles:
        """Return the scenes with the moving rectangles shifted by (B, P, 3) metres."""
        centre = torch.where(self.moving[..., None], self.centre + shift, self.centre)
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return Rectangles(**{**values, 'centre': centre})

    @classmethod
    def cat(cls, parts: list[Rectangles], dim: int = 1) -> Rectangles:
        """Join rectangles of the same B scenes; with ``dim`` 0, scenes of as many rectangles."""
        return cls(
            **{
                entry.name: torch.cat([getattr(part, entry.name) for part in parts], dim)
                for entry in fields(cls)
            }
        )


def rectangles(
    centre: torch.Tensor,
    axes: torch.Tensor,
    half_size: torch.Tensor,
    bank: TextureBank,
    density: torch.Tensor,
    generator: torch.Generator,
    contrast: torch.Tensor | None = None,
) -> Rectangles:
    """Return resting rectangles with random textures out of the bank (shapes as in the class)."""
    random = torch.rand(*centre.shape, generator=generator, device=centre.device)
    return _textured(centre, axes, half_size, bank, density, random, contrast)


def _textured(
    centre: torch.Tensor,
    axes: torch.Tensor,
    half_size: torch.Tensor,
    bank: TextureBank,
    density: torch.Tensor,
    random: torch.Tensor,
    contrast: torch.Tensor | None,
) -> Rectangles:
    """Rectangles whose textures and offsets (B, P, 3) uniform numbers choose."""
    shape, device = centre.shape[:2], centre.device
    return Rectangles(
        centre=centre,
        axes=axes,
        half_size=half_size,
        texture=(random[..., 0] * bank.count).long().clamp_max(bank.count - 1),
        density=density,
        offset=random[..., 1:] * bank.size,
        contrast=torch.ones(shape, device=device) if contrast is None else contrast,
        moving=torch.zeros(shape, dtype=torch.bool, device=device),
    )


def boxes(
    centre: torch.Tensor,
    rotation: torch.Tensor,
    half_size: torch.Tensor,
    bank: TextureBank,
    density: torch.Tensor,
    generator: torch.Generator,
    contrast: torch.Tensor | None = None,
) -> Rectangles:
    """Return N boxes a scene as their 6N faces.

    Args:
        centre: (B, N, 3) in metres.
        rotation: (B, N, 3, 3), columns are the box's axes in the world.
        half_size: (B, N, 3) in metres.
        bank: textures to draw from, each face its own.
        density: (B, N) texels per metre.
        generator: source of randomness, on the same device.
        contrast: (B, N), see ``Rectangles``.
    """
    batch, count = centre.shape[:2]
    axes = rotation.transpose(-1, -2)  # (B, N, 3, 3), rows are the axes
    # A face is normal to one axis, and its texture runs along the next two; all (B, N, 3, ...).
    along = torch.stack([axes.roll(-1, -2), axes.roll(-2, -2)], dim=-2)
    extent = torch.stack([half_size.roll(-1, -1), half_size.roll(-2, -1)], dim=-1)
    offset = half_size[..., None] * axes
    sides = torch.stack([centre[:, :, None] - offset, centre[:, :, None] + offset], dim=3)
    random = torch.rand(6, *centre.shape, generator=generator, device=centre.device)
    return _textured(
        sides.permute(0, 2, 3, 1, 4).reshape(batch, 6 * count, 3),
        torch.stack([along, along], dim=3)
        .permute(0, 2, 3, 1, 4, 5)
        .reshape(batch, 6 * count, 2, 3),
        torch.stack([extent, extent], dim=3).permute(0, 2, 3, 1, 4).reshape(batch, 6 * count, 2),
        bank,
        density.repeat(1, 6),
        random.transpose(0, 1).reshape(batch, 6 * count, 3),
        None if contrast is None else contrast.repeat(1, 6),
    )


def rotation_from_vector(vector: torch.Tensor) -> torch.Tensor:
    """Return (..., 3, 3) rotations of (..., 3) axis-angle vectors in radians (Rodrigues)."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    # The floor changes nothing: there both quotients are one, and without an angle cross is zero.
    half = vector.norm(dim=-1)[..., None, None].clamp_min(1e-12) / 2
    whole = 2 * half
    # (1 - cos a) / a^2 is (sin(a/2) / (a/2))^2 / 2.
    turn = whole.sin() / whole * cross + 0.5 * (half.sin() / half).square() * (cross @ cross)
    return torch.eye(3, dtype=vector.dtype, device=vector.device) + turn


def upright(angle: torch.Tensor) -> torch.Tensor:
    """Return (..., 3, 3) rotations about the y axis (down) by (...,) radians."""
    zero = torch.zeros_like(angle)
    return rotation_from_vector(torch.stack([zero, angle, zero], -1))
