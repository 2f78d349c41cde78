# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Coarse matching on a GPU, tile by tile of the matrix of all pairs.

It computes what ``similarity`` and ``select_matches`` do.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from loftr_vo.loftr.coarse_matching import CoarseMatches
from loftr_vo.loftr.fast.fused.choice_kernels import count_support, rank_by_confidence
from loftr_vo.loftr.fast.fused.token_pairs import TokenPairs
from loftr_vo.loftr.support import REACH, TOLERANCE

# Cells whose support one program counts.
_CELLS = 32
# Cells that one program counts the more confident ones of, and how many it looks at together.
_RANKED, _RIVALS = 16, 512


def select_by_tiles(
    tokens0: Tensor,
    tokens1: Tensor,
    temperature: float,
    inside0: Tensor,
    inside1: Tensor,
    threshold: Tensor,
    max_matches: int,
    min_support: Tensor,
) -> CoarseMatches:
    """Select what ``select_matches`` selects from the ``similarity`` of tokens.

    Args:
        tokens0: (1, L, C) float32 within the range of float16, C a power of two from 32 on.
        tokens1: (1, S, C) float32.
        temperature: of the softmax.
        inside0, inside1, max_matches: see ``select_matches``.
        threshold: () float32, likewise.
        min_support: () int64, likewise.
    """
    pairs = TokenPairs(tokens0[0], tokens1[0], temperature)
    value, partner = pairs.best()
    rows0, columns0 = inside0.shape[1:]
    confidences = torch.empty_like(value[: pairs.count0])
    count_support[(triton.cdiv(pairs.count0, _CELLS),)](
        value,
        partner,
        inside0.view(torch.uint8),
        inside1.view(torch.uint8),
        threshold,
        min_support,
        confidences,
        pairs.count0,
        rows0,
        columns0,
        inside1.shape[2],
        REACH=REACH,
        TOLERANCE=int(TOLERANCE),
        CELLS=_CELLS,
        num_warps=1,
    )
    kept = min(max_matches, pairs.count0)
    cells0, cells1 = partner.new_empty(2, 1, kept, dtype=torch.int64).unbind()
    confidence = value.new_empty(1, kept)
    valid = inside0.new_empty(1, kept)
    rank_by_confidence[(triton.cdiv(pairs.count0, _RANKED),)](
        confidences,
        partner,
        cells0,
        cells1,
        confidence,
        valid.view(torch.uint8),
        pairs.count0,
        kept,
        COUNT=pairs.count0,
        CELLS=_RANKED,
        RIVALS=_RIVALS,
    )
    return CoarseMatches(cells0, cells1, confidence, valid)
