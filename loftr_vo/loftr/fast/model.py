# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""LoFTR for inference, whole: features of one picture, matches of two."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from loftr_vo.loftr.coarse_matching import (
    CoarseMatches,
    inside_border,
    select_matches,
    similarity,
)
from loftr_vo.loftr.fast.backbone import FastBackbone
from loftr_vo.loftr.fast.kernels import Kernels, choose_kernels
from loftr_vo.loftr.fast.selection import select_by_blocks
from loftr_vo.loftr.fast.transformer import FastTransformer
from loftr_vo.loftr.fast.windows import FastFinePreprocess, cut_rows, lay_out
from loftr_vo.loftr.fine_matching import expected_offset
from loftr_vo.loftr.model import COARSE_STRIDE, FINE_STRIDE, LoFTR, RawMatches, cell_position
from loftr_vo.loftr.position_encoding import position_encoding

# Channels that tensor cores like: multiples of 8 in 16 bits.
_TENSOR_CORE_MULTIPLE = 8


class FastFeatures(NamedTuple):
    """What can be said of one picture without another; it may be kept.

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
            ones only is less work, but the host must wait to know how many they are.
    """

    def __init__(
        self,
        model: LoFTR,
        device: torch.device,
        dtype: torch.dtype,
        kernels: Kernels | None = None,
        fixed_size: bool = False,
    ) -> None:
        self._fixed_size = fixed_size
        self.config = model.config
        self.device, self.dtype = device, dtype
        self._kernels = kernels = kernels or choose_kernels(device, dtype)
        self._threshold = torch.tensor(model.config.threshold, device=device)
        self._min_support = torch.tensor(0, device=device)
        self._constants: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        with torch.inference_mode():
            self._backbone = FastBackbone(
                model.backbone,
                FastFinePreprocess.fine_map(model.fine_preprocess),
                kernels,
                device,
                dtype,
                _TENSOR_CORE_MULTIPLE if device.type == 'cuda' else 1,
            )
            self._coarse = FastTransformer(model.loftr_coarse, kernels, device, dtype)
            self._preprocess = FastFinePreprocess(model.fine_preprocess, kernels, device, dtype)
            self._fine = FastTransformer(model.loftr_fine, kernels, device, dtype)

    def set_threshold(self, threshold: float) -> None:
        """Keep coarse matches whose confidence is larger from now on."""
        self._threshold.fill_(threshold)

    def set_min_support(self, min_support: int) -> None:
        """Keep those that so many of the cells around support from now on; at first, all."""
        self._min_support.fill_(min_support)

    @torch.inference_mode()
    def encode(self, image: Tensor) -> FastFeatures:
        """Return the features of a grey picture.

        Args:
            image: (1, 1, H, W) uint8, H and W multiples of 8, on the device.
        """
        scaled = image.to(self.dtype) / 255
        coarse, fine = self._backbone(scaled.contiguous(memory_format=torch.channels_last))
        encoding, _ = self._constants_of((coarse.shape[2], coarse.shape[3]))
        tokens = coarse.permute(0, 2, 3, 1).flatten(1, 2) + encoding
        return FastFeatures(self._coarse.begin(tokens), lay_out(fine, self.config.window))

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
        grid0, grid1 = _grid(shape0), _grid(shape1)
        tokens0, tokens1 = self._coarse.finish(features0.tokens, features1.tokens)
        coarse = self._select(tokens0, tokens1, grid0, grid1, max_matches)
        if not self._fixed_size:
            count = int(coarse.valid.sum())
            coarse = CoarseMatches(*(rows[:, :count] for rows in coarse))
        cells0, cells1 = coarse.cells0[0], coarse.cells1[0]
        size = self.config.window
        windows0, windows1 = self._fine.finish(
            *self._fine.begin(
                torch.stack(
                    [
                        cut_rows(fine[0], cells, size, grid[1])
                        + self._preprocess.context(
                            tokens[0].index_select(0, cells).to(self.dtype)
                        ).float()[:, None]
                        for fine, tokens, cells, grid in (
                            (features0.fine, tokens0, cells0, grid0),
                            (features1.fine, tokens1, cells1, grid1),
                        )
                    ]
                ).flatten(0, 1)
            ).chunk(2)
        )
        offset, spread = expected_offset(windows0, windows1)
        keypoints1 = cell_position(cells1, grid1[1]) + offset * FINE_STRIDE
        return RawMatches(*coarse, keypoints1[None], spread[None] * FINE_STRIDE)

    def _select(
        self,
        tokens0: Tensor,
        tokens1: Tensor,
        grid0: tuple[int, int],
        grid1: tuple[int, int],
        max_matches: int,
    ) -> CoarseMatches:
        inside0, inside1 = self._constants_of(grid0)[1], self._constants_of(grid1)[1]
        temperature = self.config.temperature
        if self.device.type == 'cpu':
            return select_by_blocks(
                tokens0.float(),
                tokens1.float(),
                temperature,
                inside0,
                inside1,
                self._threshold,
                max_matches,
                self._min_support,
                self._kernels,
            )
        logits = similarity(tokens0, tokens1, temperature)
        return select_matches(
            logits, inside0, inside1, self._threshold, max_matches, self._min_support
        )

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


def _grid(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of coarse cells of a picture of (H, W)."""
    return shape[0] // COARSE_STRIDE, shape[1] // COARSE_STRIDE
