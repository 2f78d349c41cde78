# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Support of a match: how many neighbouring matches have a similar displacement.

Neighbours in one picture are mostly neighbours in the other. Matches of content that only one
picture shows are scattered, even if confident. Bian et al. (GMS, CVPR 2017) count features with
consistent motion in the cells of a grid; coarse matches already lie on such a grid.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Cells to each side that are compared, so 24 in all.
REACH = 2
# Cells by which displacements may differ, along x and along y: enough for the nearest eight to
# count where one picture is upside down, or three times as large.
TOLERANCE = 2.0


def count_support(partner: Tensor, valid: Tensor, grid0: tuple[int, int], columns1: int) -> Tensor:
    """Count, for each valid match, the valid matches around it with a similar displacement.

    All shapes follow from those of the arguments, so that a CUDA graph can capture it.

    Args:
        partner: (B, L) int64, row-major cell of the second picture matched to each of the first.
        valid: (B, L) bool, whether it is matched.
        grid0: rows and columns of the first picture's cells; L is their product.
        columns1: columns of the second picture's.

    Returns:
        (B, L) int64, at most 24; 0 where not valid.
    """
    rows, columns = grid0
    cell = torch.arange(rows * columns, device=partner.device)
    right = partner % columns1 - cell % columns
    down = partner // columns1 - cell // columns
    displacement = torch.stack([right, down], dim=1).float()
    displacement = torch.where(valid[:, None], displacement, torch.nan)
    # A comparison with an unmatched cell, or one outside the picture, is false.
    padded = F.pad(displacement.unflatten(2, grid0), [REACH] * 4, value=torch.nan)
    side = 2 * REACH + 1
    around = F.unfold(padded, side).unflatten(1, (2, side * side))
    alike = (around - displacement[:, :, None]).abs_() <= TOLERANCE
    count = (alike[:, 0] & alike[:, 1]).sum(dim=1)
    return (count - 1).clamp_min(0)  # a match supports itself
