# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How many of the cells around a match go the same way.

What lies side by side in one picture mostly lies side by side in the other. Matches of what only
one of them shows are scattered, however confident they are. Bian et al. (GMS, CVPR 2017) count
the features that move along in cells of a grid; coarse matches lie on such a grid from the start.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Cells to each side that are asked, so 24 in all.
REACH = 2
# Cells by which their ways may differ, along x and along y: enough for the nearest eight to count
# where one picture is upside down, or shows everything three times as large.
TOLERANCE = 2.0


def count_support(partner: Tensor, valid: Tensor, grid0: tuple[int, int], columns1: int) -> Tensor:
    """Count, for each valid match, the valid matches of the cells around that go the same way.

    All shapes follow from those of the arguments, so that a CUDA graph can capture it.

    Args:
        partner: (B, L) int64, row-major cell of the second picture matched to each of the first.
        valid: (B, L) bool, whether it is matched at all.
        grid0: rows and columns of the first picture's cells; L is their product.
        columns1: columns of the second picture's.

    Returns:
        (B, L) int64, at most 24; 0 where not valid.
    """
    rows, columns = grid0
    cell = torch.arange(rows * columns, device=partner.device)
    right = partner % columns1 - cell % columns
    down = partner // columns1 - cell // columns
    way = torch.stack([right, down], dim=1).float()
    way = torch.where(valid[:, None], way, torch.nan)
    # A comparison with what is not matched, or outside the picture, is false.
    padded = F.pad(way.unflatten(2, grid0), [REACH] * 4, value=torch.nan)
    side = 2 * REACH + 1
    around = F.unfold(padded, side).unflatten(1, (2, side * side))
    alike = (around - way[:, :, None]).abs_() <= TOLERANCE
    count = (alike[:, 0] & alike[:, 1]).sum(dim=1)
    return (count - 1).clamp_min(0)  # each goes the way it goes itself
