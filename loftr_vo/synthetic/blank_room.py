# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of pictures of nearly blank rooms: plain walls, a bare floor, a few plain boxes.

What corner detectors find nothing in. For measuring; nothing is trained on these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from loftr_vo.synthetic.painters import plain_wall
from loftr_vo.synthetic.render import render
from loftr_vo.synthetic.scene import (
    Rectangles,
    boxes,
    rectangles,
    rotation_from_vector,
    upright,
)
from loftr_vo.synthetic.textures import TextureBank

_TEXTURE_SIZE = 256
_TEXTURES = 24
_TEXELS_PER_METRE = 90.0
_BOXES = 3
_NOISE = 1.0  # grey levels, of the sensor


@dataclass(frozen=True, eq=False)
class BlankPair:
    """One pair.

    Attributes:
        image0, image1: (H, W) uint8.
        intrinsics: (3, 3).
        motion: (4, 4) second camera from first, metres.
    """

    image0: np.ndarray
    image1: np.ndarray
    intrinsics: np.ndarray
    motion: np.ndarray


@torch.no_grad()
def blank_room_pairs(
    count: int, size: tuple[int, int] = (480, 640), seed: int = 0, contrast: float = 1.0
) -> list[BlankPair]:
    """Return ``count`` pairs of (H, W) pictures, each of a room of its own.

    ``contrast`` scales the grey values about their middle; the noise stays.
    """
    rng = np.random.default_rng(seed)
    walls = np.stack([plain_wall(rng, _TEXTURE_SIZE) for _ in range(_TEXTURES)])
    bank = TextureBank.from_textures(torch.from_numpy(np.clip(walls, 0, 1).astype(np.float32)))
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    intrinsics = torch.eye(3)
    intrinsics[0, 0] = intrinsics[1, 1] = 0.8 * width
    intrinsics[0, 2], intrinsics[1, 2] = (width - 1) / 2, (height - 1) / 2
    pairs = []
    for _ in range(count):
        scene, pose = _room(bank, generator), _motion(generator)
        images = []
        for world_from_camera in (torch.eye(4), pose):
            seen = render(
                scene, bank, world_from_camera[None], intrinsics[None], size, supersampling=2
            )
            grey = 255 * (0.5 + contrast * (seen.image[0].numpy() - 0.5))
            grey = grey + rng.normal(0, _NOISE, size)
            images.append(np.clip(grey.round(), 0, 255).astype(np.uint8))
        motion = torch.linalg.inv(pose).double().numpy()
        pairs.append(BlankPair(images[0], images[1], intrinsics.double().numpy(), motion))
    return pairs


def _room(bank: TextureBank, generator: torch.Generator) -> Rectangles:
    """Four walls, floor, ceiling and boxes around a camera at the origin that looks along z."""

    def uniform(*shape: int, low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    left, right, behind = uniform(3, low=1.2, high=2.5).tolist()
    ahead = float(uniform(1, low=2.5, high=4.5))
    x, y, z = torch.eye(3)
    turn = upright(uniform(1, low=-0.5, high=0.5))[0]  # a room is rarely looked at squarely
    centre = torch.stack([-left * x, right * x, -behind * z, ahead * z, 1.3 * y, -1.3 * y])
    axes = torch.stack(
        [torch.stack(pair) for pair in [(z, y), (z, y), (x, y), (x, y), (x, z), (x, z)]]
    )
    density = torch.full((1, 6), _TEXELS_PER_METRE)
    surroundings = rectangles(
        (centre @ turn.T)[None],
        (axes @ turn.T)[None],
        torch.full((1, 6, 2), 9.0),
        bank,
        density,
        generator,
    )
    place = torch.stack(
        [
            uniform(_BOXES, low=-1.2, high=1.2),
            uniform(_BOXES, low=0.6, high=1.2),
            uniform(_BOXES, low=1.8, high=ahead),
        ],
        -1,
    )
    furniture = boxes(
        place[None],
        upright(uniform(1, _BOXES, low=-1.5, high=1.5)),
        uniform(1, _BOXES, 3, low=0.15, high=0.5),
        bank,
        density[:, :_BOXES],
        generator,
    )
    return Rectangles.cat([surroundings, furniture])


def _motion(generator: torch.Generator) -> torch.Tensor:
    """(4, 4) first camera from second: a step of 10 to 40 cm and a turn of a few degrees."""
    step = torch.randn(3, generator=generator) * torch.tensor([1.0, 0.4, 1.0])
    length = 0.1 + 0.3 * torch.rand(1, generator=generator)
    turn = torch.randn(3, generator=generator) * torch.tensor([0.03, 0.06, 0.02])
    pose = torch.eye(4)
    pose[:3, :3] = rotation_from_vector(turn)
    pose[:3, 3] = step / step.norm() * length
    return pose
