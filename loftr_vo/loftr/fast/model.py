# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The whole LoFTR for inference: features of one picture, matches of two."""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from loftr_vo.loftr.coarse_matching import CoarseMatches, inside_border
from loftr_vo.loftr.fast.backbone import FastBackbone
from loftr_vo.loftr.fast.fine import fine_map
from loftr_vo.loftr.fast.kernels import choose_kernels
from loftr_vo.loftr.fast.parts import Parts, choose_parts
from loftr_vo.loftr.fast.torch_kernels import Kernels
from loftr_vo.loftr.fast.windows import lay_out
from loftr_vo.loftr.model import COARSE_STRIDE, LoFTR, RawMatches
from loftr_vo.loftr.position_encoding import position_encoding

# Tensor cores need channel counts that are multiples of 8 in 16 bits.
_TENSOR_CORE_MULTIPLE = 8
# Matches refined at once where their number is not fixed. oneDNN compiles and keeps kernels for
# each number of rows that it meets, 5 MB for a new number of matches, so it always meets the same.
# A block also stays in the cache: 1536 matches took 98 ms of one thread instead of 128.
_BLOCK = 256


class FastFeatures(NamedTuple):
    """Features of one picture, which depend on no other and can be cached.

    Attributes:
        tokens: (1, L, C) float32, the coarse cells after the first self-attention.
        fine: (1, P, Cf), the pixels of the fine map with a margin, see ``lay_out``.
    """

    tokens: Tensor
    fine: Tensor


class FastLoFTR:
    """Computes what ``LoFTR`` computes in eval mode, for one pair and without masks.

    Args:
        model: where the weights come from; it is not changed.
        device: where to compute.
        dtype: float32, float16 or bfloat16; what needs float32 is computed in it all the same.
        kernels: to compute with; None for the fastest that work.
        fixed_size: whether ``match`` always returns the same number of rows. To return the valid
            ones only is less work, but the host must wait to know how many they are; they are
            then refined in blocks of one size.
        parts: what follows the backbone; None for the fastest that work.
    """

    def __init__(
        self,
        model: LoFTR,
        device: torch.device,
        dtype: torch.dtype,
        kernels: Kernels | None = None,
        fixed_size: bool = False,
        parts: Parts | None = None,
    ) -> None:
        self._fixed_size = fixed_size
        self.config = model.config
        self.device, self.dtype = device, dtype
        kernels = kernels or choose_kernels(device, dtype)
        self._threshold = torch.tensor(model.config.threshold, device=device)
        self._min_support = torch.tensor(0, device=device)
        self._constants: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        # Triton starts its kernels on the current device.
        current = torch.cuda.device(device if device.type == 'cuda' else -1)
        with torch.inference_mode(), current:
            self._backbone = FastBackbone(
                model.backbone,
                fine_map(model.fine_preprocess),
                kernels,
                device,
                dtype,
                _TENSOR_CORE_MULTIPLE if device.type == 'cuda' else 1,
            )
            self._parts = parts or choose_parts(model, kernels, device, dtype)

    def set_threshold(self, threshold: float) -> None:
        """Set the confidence above which coarse matches are kept."""
        self._threshold.fill_(threshold)

    def set_min_support(self, min_support: int) -> None:
        """Set the least support of coarse matches; initially 0."""
        self._min_support.fill_(min_support)

    @torch.inference_mode()
    def encode(self, image: Tensor) -> FastFeatures:
        """Return the features of a grey picture.

        Args:
            image: (1, 1, H, W) uint8, H and W multiples of 8, on the device.
        """
        scaled = image.to(self.dtype) / 255
        coarse, fine = self._backbone(scaled)
        encoding, _ = self._constants_of((coarse.shape[2], coarse.shape[3]))
        tokens = coarse.permute(0, 2, 3, 1).flatten(1, 2) + encoding
        return FastFeatures(self._parts.coarse.begin(tokens), lay_out(fine, self.config.window))

    @torch.inference_mode()
    def match(
        self,
        features0: FastFeatures,
        features1: FastFeatures,
        shape0: tuple[int, int],
        shape1: tuple[int, int],
        max_matches: int,
    ) -> RawMatches:
        """Match two pictures by their features; see ``LoFTR.match_features``.

        Args:
            features0: of the first picture.
            features1: of the second picture.
            shape0: (H, W) of the first picture.
            shape1: (H, W) of the second picture.
            max_matches: most matches returned.
        """
        grids = _grid(shape0), _grid(shape1)
        tokens = self._parts.coarse.finish(features0.tokens, features1.tokens)
        coarse = self._parts.select(
            *tokens,
            self.config.temperature,
            *(self._constants_of(grid)[1] for grid in grids),
            self._threshold,
            max_matches,
            self._min_support,
        )
        refine = functools.partial(
            self._parts.refine,
            (features0.fine, features1.fine),
            tokens,
            cells_per_row=(grids[0][1], grids[1][1]),
        )
        if self._fixed_size:
            return RawMatches(*coarse, *refine(coarse))
        count = int(coarse.valid.sum())
        # A block more than is needed where nothing matches: torch.cat needs at least one.
        refined = [
            refine(_rows(coarse, at, at + _BLOCK)) for at in range(0, max(count, 1), _BLOCK)
        ]
        keypoints1, spread = (
            torch.cat(parts, dim=1)[:, :count] for parts in zip(*refined, strict=True)
        )
        return RawMatches(*_rows(coarse, 0, count), keypoints1, spread)

    def _constants_of(self, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return the position encoding (1, L, C) and what is inside the border, (1, h, w) bool."""
        if grid not in self._constants:
            encoding = position_encoding(
                self.config.coarse_dim,
                *grid,
                corrected=self.config.corrected_position_encoding,
                device=self.device,
            )
            inside = inside_border(
                torch.empty(1, 1, *grid, device=self.device), self.config.border
            )
            self._constants[grid] = encoding.flatten(1).T[None].contiguous(), inside
        return self._constants[grid]


def _rows(coarse: CoarseMatches, start: int, end: int) -> CoarseMatches:
    return CoarseMatches(*(rows[:, start:end] for rows in coarse))


def _grid(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of coarse cells of a picture of (H, W)."""
    return shape[0] // COARSE_STRIDE, shape[1] // COARSE_STRIDE
