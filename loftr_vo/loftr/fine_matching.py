# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Fine matching: correlation of windows of the 1/2 maps around coarse matches."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def cut_windows(fine: Tensor, cells: Tensor, size: int, cells_per_row: int) -> Tensor:
    """Cut a window of the fine map around each chosen coarse cell.

    The coarse cell (x, y) is the fine cell (4 x, 4 y). What lies outside the map is zero. Only
    the chosen windows are read, not the unfolding of the whole map, which is 25 times its size.

    Args:
        fine: (B, C, 4 h, 4 w).
        cells: (B, K) int64, row-major coarse cells.
        size: side of a window, odd.
        cells_per_row: w.

    Returns:
        (B, K, size * size, C), row-major.
    """
    height, width = fine.shape[2:]
    reach = torch.arange(size, device=cells.device) - size // 2
    rows = (4 * (cells // cells_per_row))[..., None] + reach[:, None].expand(size, size).flatten()
    columns = (4 * (cells % cells_per_row))[..., None] + reach.expand(size, size).flatten()
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    batch = torch.arange(len(cells), device=cells.device)[:, None, None]
    windows = fine.permute(0, 2, 3, 1)[
        batch, rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    ]
    return windows * inside[..., None]


class FinePreprocess(nn.Module):
    """Joins each fine window with the coarse token that it belongs to."""

    def __init__(self, coarse_dim: int, fine_dim: int) -> None:
        super().__init__()
        self.down_proj = nn.Linear(coarse_dim, fine_dim)
        self.merge_feat = nn.Linear(2 * fine_dim, fine_dim)
        for layer in (self.down_proj, self.merge_feat):
            nn.init.kaiming_normal_(layer.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, windows: Tensor, tokens: Tensor, cells: Tensor) -> Tensor:
        """Return the windows with their context.

        Args:
            windows: (B, K, R, Cf), of ``cut_windows``.
            tokens: (B, L, C), of the coarse transformer.
            cells: (B, K) int64, row-major coarse cells.

        Returns:
            (B, K, R, Cf).
        """
        chosen = tokens.gather(1, cells[..., None].expand(-1, -1, tokens.shape[2]))
        context = self.down_proj(chosen)[:, :, None, :].expand_as(windows)
        return self.merge_feat(torch.cat([windows, context], dim=3))


def expected_offset(windows0: Tensor, windows1: Tensor) -> tuple[Tensor, Tensor]:
    """Find where the centre of each first window lies in the second (section 3.4 of the paper).

    The centre is correlated with the second window; the softmax of that is a heatmap, whose
    expectation is the match and whose total variance is its uncertainty.

    Args:
        windows0: (N, W * W, C), of the fine transformer.
        windows1: (N, W * W, C).

    Returns:
        (N, 2) float32, x and y from the centre of the second window, in fine cells; and (N,)
        float32, the heatmap's standard deviation (root of its total variance) in fine cells.
    """
    count, channels = windows0.shape[1:]
    size = round(count**0.5)
    # float32: sub-pixel positions are differences of numbers that float16 rounds to 1/1000.
    with torch.autocast(windows0.device.type, enabled=False):
        centre = windows0[:, count // 2, :].float()
        logits = torch.einsum('nc,nrc->nr', centre, windows1.float()) / channels**0.5
        heatmap = logits.softmax(dim=1)
        reach = torch.arange(size, device=heatmap.device, dtype=heatmap.dtype) - size // 2
        # Not repeat_interleave, which a CUDA graph cannot record.
        grid = torch.stack(torch.meshgrid(reach, reach, indexing='xy'), dim=2).flatten(0, 1)
        offset = heatmap @ grid
        variance = heatmap @ grid.square().sum(dim=1) - offset.square().sum(dim=1)
    # The floor keeps the gradient of the root finite where all weight is on one cell.
    return offset, variance.clamp(min=1e-6).sqrt()
