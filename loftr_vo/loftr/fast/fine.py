# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The fine stage for inference: context added by one sum, linear maps joined."""

from __future__ import annotations

import torch
from torch import Tensor

from loftr_vo.loftr.coarse_matching import CoarseMatches
from loftr_vo.loftr.correlation_head import corrected, correlation_volume
from loftr_vo.loftr.fast.correlation import FastCorrelationHead
from loftr_vo.loftr.fast.torch_kernels import Kernels
from loftr_vo.loftr.fast.transformer import FastTransformer
from loftr_vo.loftr.fast.windows import cut_rows
from loftr_vo.loftr.fine_matching import FinePreprocess, expected_offset
from loftr_vo.loftr.model import FINE_STRIDE, LoFTR, cell_position


def fine_map(preprocess: FinePreprocess) -> Tensor:
    """Return what ``FinePreprocess`` multiplies a window by, (Cf, Cf).

    Its second layer is linear in the window and in the context. The part of the window is left to
    the backbone, whose last convolution, being linear too, takes it in.
    """
    merge = preprocess.merge_feat
    return merge.weight[:, : merge.out_features].detach()


def context_map(preprocess: FinePreprocess) -> tuple[Tensor, Tensor]:
    """Return its map of a coarse token, both layers in one: weight (Cf, C) and bias (Cf,)."""
    down, merge = preprocess.down_proj, preprocess.merge_feat
    of_context = merge.weight[:, merge.out_features :]
    bias = of_context @ down.bias + merge.bias
    return (of_context @ down.weight).detach(), bias.detach()


class FastFine:
    """Refines matches: what ``LoFTR.refine`` computes.

    Args:
        model: where the weights come from; it is not changed.
        kernels: to compute with, on ``device`` in ``dtype``.
        device: where the weights are put.
        dtype: their type.
    """

    def __init__(
        self, model: LoFTR, kernels: Kernels, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._size = model.config.window
        self._dtype, self._kernels = dtype, kernels
        weight, bias = context_map(model.fine_preprocess)
        self._weight, self._bias = weight.to(device, dtype), bias.to(device, dtype)
        self._transformer = FastTransformer.plain(model.loftr_fine, kernels, device, dtype)
        self._head = model.correlation_head and FastCorrelationHead(
            model.correlation_head, kernels, device, dtype
        )

    def __call__(
        self,
        fine: tuple[Tensor, Tensor],
        tokens: tuple[Tensor, Tensor],
        coarse: CoarseMatches,
        cells_per_row: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Return where the matches lie in the second picture.

        Args:
            fine: (1, P, Cf) each, of both pictures, see ``FastFeatures``.
            tokens: (1, L, C) float32 each, conditioned on each other.
            coarse: (1, K) each.
            cells_per_row: of both pictures.

        Returns:
            (1, K, 2) and (1, K) float32, keypoints and spreads as in ``RawMatches``.
        """
        cells = coarse.cells0[0], coarse.cells1[0]
        windows = torch.stack(
            [
                self._windows(*of_picture)
                for of_picture in zip(fine, tokens, cells, cells_per_row, strict=True)
            ]
        )
        begun = self._transformer.begin(windows.flatten(0, 1))
        conditioned = self._transformer.finish(*begun.chunk(2))
        offset, spread = expected_offset(*conditioned)
        if self._head is not None:
            correction = self._head(correlation_volume(*conditioned))
            offset, spread = corrected(offset, spread, correction)
        keypoints = cell_position(cells[1], cells_per_row[1]) + offset * FINE_STRIDE
        return keypoints[None], spread[None] * FINE_STRIDE

    def _windows(self, fine: Tensor, tokens: Tensor, cells: Tensor, cells_per_row: int) -> Tensor:
        """Return the windows around cells (K,) with their context, (K, window^2, Cf) float32."""
        chosen = tokens[0].index_select(0, cells).to(self._dtype)
        context = self._kernels.linear(chosen, self._weight, self._bias)
        return cut_rows(fine[0], cells, self._size, cells_per_row) + context.float()[:, None]
