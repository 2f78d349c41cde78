# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Fine windows for inference, cut by plain row look-ups."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CELL = 4  # fine cells along a coarse one


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
    pitch = CELL * cells_per_row + 2 * (size // 2)
    reach = torch.arange(size, device=cells.device)
    # The margin's width is half a window's: the window starts where the cell lies without it.
    inside = (reach[:, None] * pitch + reach).flatten()
    corner = CELL * (cells // cells_per_row * pitch + cells % cells_per_row)
    chosen = (corner[:, None] + inside).flatten()
    return pixels.index_select(0, chosen).view(len(cells), size * size, pixels.shape[1])
