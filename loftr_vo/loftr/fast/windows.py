# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The fine stage for inference: windows cut by plain row look-ups, context added by one sum."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from loftr_vo.loftr.fast.kernels import Kernels
from loftr_vo.loftr.fine_matching import FinePreprocess

_CELL = 4  # fine cells along a coarse one


def lay_out(fine: Tensor, size: int) -> Tensor:
    """Return a fine map, (B, C, H, W), as rows with a margin of zeros: (B, P, C).

    With the margin a window is never cut by the edge.

    Args:
        fine: in channels-last order.
        size: side of a window.
    """
    margin = size // 2
    padded = F.pad(fine.permute(0, 2, 3, 1), (0, 0, margin, margin, margin, margin))
    return padded.flatten(1, 2)


def cut_rows(pixels: Tensor, cells: Tensor, size: int, cells_per_row: int) -> Tensor:
    """Cut a window around each chosen coarse cell; see ``cut_windows``.

    Args:
        pixels: (P, C), of ``lay_out``.
        cells: (K,) int64, row-major coarse cells.
        size: side of a window, odd.
        cells_per_row: of the coarse map.

    Returns:
        (K, size * size, C), row-major.
    """
    pitch = _CELL * cells_per_row + 2 * (size // 2)
    reach = torch.arange(size, device=cells.device)
    # The margin's width is half a window's: the window starts where the cell lies without it.
    inside = (reach[:, None] * pitch + reach).flatten()
    corner = _CELL * (cells // cells_per_row * pitch + cells % cells_per_row)
    chosen = (corner[:, None] + inside).flatten()
    return pixels.index_select(0, chosen).view(len(cells), size * size, pixels.shape[1])


class FastFinePreprocess:
    """What ``FinePreprocess`` adds to windows that already went through its linear map.

    Its second layer is linear in the window and in the context. The part of the window is left to
    the backbone, whose last convolution takes it in (``fine_map``); that of the context joins the
    first layer.
    """

    def __init__(
        self,
        preprocess: FinePreprocess,
        kernels: Kernels,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._kernels = kernels
        down, merge = preprocess.down_proj, preprocess.merge_feat
        of_context = merge.weight[:, merge.out_features :]
        self._weight = (of_context @ down.weight).detach().to(device, dtype)
        self._bias = (of_context @ down.bias + merge.bias).detach().to(device, dtype)

    @staticmethod
    def fine_map(preprocess: FinePreprocess) -> Tensor:
        """Return the part of the window, (Cf, Cf)."""
        merge = preprocess.merge_feat
        return merge.weight[:, : merge.out_features].detach()

    def context(self, tokens: Tensor) -> Tensor:
        """Return what the coarse tokens (K, C) of windows add to each of their pixels, (K, Cf)."""
        return self._kernels.linear(tokens, self._weight, self._bias)
