# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes: textured rectangles in space, in batches."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from loftr_vo.synthetic.textures import TextureBank


@dataclass(frozen=True)
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
    def cat(cls, parts: list[Rectangles]) -> Rectangles:
        """Join rectangles of the same B scenes."""
        return cls(
            **{
                entry.name: torch.cat([getattr(part, entry.name) for part in parts], dim=1)
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
    shape, device = centre.shape[:2], centre.device
    random = torch.rand(*shape, 3, generator=generator, device=device)
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
    faces = []
    columns = rotation.transpose(-1, -2)  # (B, N, 3, 3), now rows are the axes
    for normal in range(3):
        u, v = (normal + 1) % 3, (normal + 2) % 3
        for side in (-1.0, 1.0):
            offset = side * half_size[..., normal, None] * columns[..., normal, :]
            faces.append(
                rectangles(
                    centre + offset,
                    columns[..., [u, v], :],
                    half_size[..., [u, v]],
                    bank,
                    density,
                    generator,
                    contrast,
                )
            )
    return Rectangles.cat(faces)


def rotation_from_vector(vector: torch.Tensor) -> torch.Tensor:
    """Return (..., 3, 3) rotations of (..., 3) axis-angle vectors in radians (Rodrigues)."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    generator = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    return torch.linalg.matrix_exp(generator.reshape(*vector.shape[:-1], 3, 3))


def upright(angle: torch.Tensor) -> torch.Tensor:
    """Return (..., 3, 3) rotations about the y axis (down) by (...,) radians."""
    zero = torch.zeros_like(angle)
    return rotation_from_vector(torch.stack([zero, angle, zero], -1))
