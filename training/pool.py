# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered pairs, trained on more than once: mirrored, swapped and lit anew each time.

On a CPU, rendering a pair takes about as long as a step of training. What a network learns from a
scene does not depend on it being new, as long as it does not look the same twice.
"""

from __future__ import annotations

import dataclasses

import torch

from loftr_vo.synthetic.pairs import PairGenerator, Pairs

_KEPT = 24  # batches of each shape


class PairPool:
    """Draws batches, of which one in ``reuse`` is newly rendered."""

    def __init__(self, generator: PairGenerator, reuse: int) -> None:
        """Draw from ``generator``; with ``reuse`` 1 its pairs are taken as they come."""
        self.generator = generator
        self.reuse = reuse
        self._kept: dict[tuple[int, int, int], list[Pairs]] = {}
        self._drawn = 0

    def draw(self, batch: int, size: tuple[int, int]) -> Pairs:
        """Return ``batch`` pairs of (H, W) pictures."""
        if self.reuse == 1:
            return self.generator.draw(batch, size)
        kept = self._kept.setdefault((batch, *size), [])
        if len(kept) < _KEPT // self.reuse or self._drawn % self.reuse == 0:
            kept.append(self.generator.draw_unlit(batch, size))
            del kept[:-_KEPT]
            pairs = kept[-1]
        else:
            pairs = kept[self._random_below(len(kept))]
        self._drawn += 1
        if self._random_below(2):
            pairs = swapped(pairs)
        if self._random_below(2):
            pairs = mirrored(pairs, axis=0)
        if self._random_below(2):
            pairs = mirrored(pairs, axis=1)
        return self.generator.light(pairs)

    def _random_below(self, count: int) -> int:
        generator = self.generator.generator
        return int(torch.randint(count, (), generator=generator, device=generator.device))


def swapped(pairs: Pairs) -> Pairs:
    """Return the pairs with first and second picture exchanged."""
    return Pairs(
        pairs.images.flip(0),
        pairs.depths.flip(0),
        pairs.moving.flip(0),
        pairs.intrinsics.flip(0),
        torch.linalg.inv(pairs.second_from_first),
    )


def mirrored(pairs: Pairs, axis: int) -> Pairs:
    """Return the pairs as a mirror shows them: left and right (axis 0) or up and down (axis 1)."""
    height, width = pairs.depths.shape[-2:]
    mirror = torch.eye(4, device=pairs.depths.device)
    mirror[axis, axis] = -1
    of_pixels = mirror[:3, :3].clone()
    of_pixels[axis, 2] = (width, height)[axis] - 1
    along = -1 - axis
    return dataclasses.replace(
        pairs,
        images=pairs.images.flip(along),
        depths=pairs.depths.flip(along),
        moving=pairs.moving.flip(along),
        intrinsics=of_pixels @ pairs.intrinsics @ mirror[:3, :3],
        second_from_first=mirror @ pairs.second_from_first @ mirror,
    )
