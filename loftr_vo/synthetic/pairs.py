# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Random pairs of pictures with exact depth and pose, for training and for measuring."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch

from loftr_vo.synthetic.constants import constant
from loftr_vo.synthetic.inverse import inverse
from loftr_vo.synthetic.photometry import random_photometry
from loftr_vo.synthetic.random_numbers import RandomNumbers
from loftr_vo.synthetic.random_scene import RandomScenes
from loftr_vo.synthetic.render import render
from loftr_vo.synthetic.scene import Rectangles, rotation_from_vector
from loftr_vo.synthetic.textures import TextureBank

# Kinds of motion: how often, how far along x, y, z, and how much about x, y, z.
_MOTIONS = (
    (0.50, (1.0, 1.0, 1.5), (0.5, 0.9, 0.6)),  # any
    (0.15, (0.1, 0.1, 2.0), (0.1, 0.2, 0.1)),  # forward
    (0.15, (1.5, 0.2, 0.2), (0.1, 0.2, 0.1)),  # sideways
    (0.10, (0.1, 0.1, 0.1), (0.5, 1.2, 0.3)),  # turning
    (0.10, (0.4, 0.4, 0.4), (0.2, 0.2, 1.5)),  # rolling
)


@dataclass(frozen=True, eq=False)
class Pairs:
    """B pairs of pictures of B scenes.

    Attributes:
        images: (2, B, 1, H, W) float32 in [0, 1], first and second pictures.
        depths: (2, B, H, W) float32, z in metres.
        moving: (2, B, H, W) bool, where what is seen moved by itself between the two.
        intrinsics: (2, B, 3, 3), pinhole matrices; with skew where a shutter rolled.
        second_from_first: (B, 4, 4), optical axes.
    """

    images: torch.Tensor
    depths: torch.Tensor
    moving: torch.Tensor
    intrinsics: torch.Tensor
    second_from_first: torch.Tensor


class PairGenerator:
    """Draws random scenes, cameras, motions and light; the same for the same seed and device."""

    def __init__(
        self,
        bank: TextureBank,
        seed: int = 0,
        photometry: float = 1.0,
        taps: int = 2,
        supersampling: int = 1,
    ) -> None:
        """Draw textures from ``bank``; see ``random_photometry`` and ``render`` for the rest."""
        self.bank = bank
        self.photometry = photometry
        self.taps = taps
        self.supersampling = supersampling
        self._random = RandomNumbers(bank.texels.device, seed)
        self.generator = self._random.generator
        self._scenes = RandomScenes(bank, self._random)

    def draw(self, batch: int, size: tuple[int, int]) -> Pairs:
        """Return ``batch`` pairs of (H, W) pictures."""
        return self.light(self.draw_unlit(batch, size))

    @torch.no_grad()
    def draw_unlit(self, batch: int, size: tuple[int, int]) -> Pairs:
        """Return pairs as an ideal camera in even light would take them."""
        intrinsics = self._intrinsics(batch, size)
        scene = self._scenes.draw(batch, intrinsics)
        second_pose = self._motion(batch)
        first_pose = torch.eye(4, device=self._random.device).expand(batch, 4, 4)
        shift = (
            self._random.normal(batch, scene.centre.shape[1], 3)
            * 0.06
            * scene.centre.norm(dim=-1, keepdim=True)
        )
        rolling = torch.cat([self._rolling(batch), self._rolling(batch)])
        of_both = rolling_shutter(rolling, size) @ intrinsics.repeat(2, 1, 1)
        # Both pictures at once: half as many kernels to start.
        seen = render(
            Rectangles.cat([scene, scene.moved(shift)], dim=0),
            self.bank,
            torch.cat([first_pose, second_pose]),
            of_both,
            size,
            taps=self.taps,
            supersampling=self.supersampling,
        )
        two = (2, batch)
        return Pairs(
            seen.image.unflatten(0, two)[:, :, None],
            seen.depth.unflatten(0, two),
            seen.moving.unflatten(0, two),
            of_both.unflatten(0, two),
            inverse(second_pose),
        )

    @torch.no_grad()
    def light(self, pairs: Pairs) -> Pairs:
        """Return the pairs under light, lens and sensor of their own for each picture.

        Half of the pictures are disturbed by less than seven tenths of the full range.
        """
        if self.photometry == 0:
            return pairs
        images = pairs.images.flatten(0, 1)
        strength = self.photometry * self._random.uniform(len(images), 1, 1, 1).sqrt()
        lit = random_photometry(images, self.generator, strength)
        return dataclasses.replace(pairs, images=lit.view_as(pairs.images))

    def _intrinsics(self, batch: int, size: tuple[int, int]) -> torch.Tensor:
        uniform = self._random.uniform
        height, width = size
        intrinsics = torch.eye(3, device=self._random.device).repeat(batch, 1, 1)
        focal = width * torch.exp(uniform(batch, low=math.log(0.5), high=math.log(1.4)))
        intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
        intrinsics[:, 0, 2] = (width - 1) / 2 + width * uniform(batch, low=-0.05, high=0.05)
        intrinsics[:, 1, 2] = (height - 1) / 2 + height * uniform(batch, low=-0.1, high=0.1)
        return intrinsics

    def _rolling(self, batch: int) -> torch.Tensor:
        """(B, 2): how far the picture moves while it is read out, in its heights; mostly not."""
        rolls = self._random.uniform(batch, 1) < 0.25
        return self._random.normal(batch, 2) * 0.06 * rolls

    def _motion(self, batch: int) -> torch.Tensor:
        """(B, 4, 4) world from second camera: from next to nothing to half the picture."""
        uniform = self._random.uniform
        kind = torch.rand(batch, generator=self._random.generator, device=self._random.device)
        shares, steps, turns = (
            constant(values, self._random.device) for values in zip(*_MOTIONS, strict=True)
        )
        kind = torch.bucketize(kind, shares.cumsum(0)[:-1])
        steps, turns = steps[kind], turns[kind]
        length = torch.exp(uniform(batch, 1, low=math.log(0.006), high=math.log(0.9)))
        angle = torch.exp(uniform(batch, 1, low=math.log(0.0025), high=math.log(0.35)))
        pose = torch.eye(4, device=self._random.device).repeat(batch, 1, 1)
        pose[:, :3, :3] = rotation_from_vector(self._random.normal(batch, 3) * angle * turns)
        pose[:, :3, 3] = self._random.normal(batch, 3) * length * steps
        return pose


def rolling_shutter(shift: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return what a rolling shutter does to pixels, as a matrix (B, 3, 3) before the intrinsics.

    Rows are read one after the other while the camera turns. A constant turn moves each row
    further than the one before: sideways that skews the picture, upwards it stretches it. That is
    exact for small turns; the parallax of a camera that also moves meanwhile is left out.

    Args:
        shift: (B, 2) movement of the picture from the first row to the last, along x and y, in
            heights of the picture.
        size: (H, W).
    """
    height = size[0]
    middle = (height - 1) / 2
    matrix = torch.eye(3, device=shift.device).repeat(len(shift), 1, 1)
    matrix[:, 0, 1], matrix[:, 0, 2] = shift[:, 0], -shift[:, 0] * middle
    matrix[:, 1, 1], matrix[:, 1, 2] = 1 + shift[:, 1], -shift[:, 1] * middle
    return matrix
