# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Coarse matching on a CPU, block by block, with each pair of cells exponentiated once.

What ``similarity`` and ``select_matches`` compute. The matrix of all pairs is by far the largest
thing that the network makes, so that the number of passes over it is what counts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from loftr_vo.loftr.coarse_matching import CoarseMatches, first_of_column, select_best
from loftr_vo.loftr.fast.kernels import Kernels

# Rows worked on together: what one pass leaves in the cache, the next finds there.
_BLOCK = 128
# One row in so many is looked at to guess the largest logit.
_SAMPLE = 32
# Sums of exponentials in this range have lost nothing that counts in float32.
_SMALLEST, _LARGEST = 1e-25, 1e37


def select_by_blocks(
    tokens0: Tensor,
    tokens1: Tensor,
    temperature: float,
    inside0: Tensor,
    inside1: Tensor,
    threshold: Tensor | float,
    max_matches: int,
    min_support: Tensor | int,
    kernels: Kernels,
) -> CoarseMatches:
    """Select what ``select_matches`` selects from the ``similarity`` of tokens.

    Args:
        tokens0: (1, L, C) float32.
        tokens1: (1, S, C) float32.
        temperature: of the softmax.
        inside0, inside1, threshold, max_matches, min_support: see ``select_matches``.
        kernels: to compute with.
    """
    scaled = tokens0[0] * (1.0 / (tokens0.shape[2] * temperature))
    pairs = _Pairs(scaled, tokens1[0], kernels)
    value, column, tops_column = pairs.best_of_rows(*pairs.partitions())
    value, column, tops_column = value[None], column[None], tops_column[None]
    mutual = first_of_column(column, tops_column, tokens1.shape[1])
    return select_best(
        torch.exp(2.0 * value),
        column,
        mutual,
        inside0,
        inside1,
        threshold,
        max_matches,
        min_support,
    )


class _Pairs:
    """The logits of all pairs, in blocks of rows, less a shift that all of them share.

    A shift common to all pairs, in place of one for each row and each column, lets one pass of
    exponentials give the partitions of both. Rows and columns whose logits are all so far below
    the shift that their sum is not exact, or above it by so much that it overflows, are summed
    again by themselves; in trained networks they are rare.
    """

    def __init__(self, rows: Tensor, columns: Tensor, kernels: Kernels) -> None:
        self._rows, self._columns, self._kernels = rows, columns, kernels
        largest = kernels.linear(rows[::_SAMPLE], columns).max()
        self._bias = -largest.expand(len(columns)).contiguous()
        self._blocks: list[Tensor] = []

    def partitions(self) -> tuple[Tensor, Tensor]:
        """Return the log-sum-exp of every row (L,) and of every column (S,), less the shift."""
        row_totals = []
        column_total = torch.zeros_like(self._bias)
        for rows in self._rows.split(_BLOCK):
            block = self._kernels.linear(rows, self._columns, self._bias)
            self._blocks.append(block)
            exponential = block.exp()
            row_totals.append(exponential.sum(dim=1))
            column_total += exponential.sum(dim=0)
        return (
            self._logarithm(torch.cat(row_totals), self._rows, self._columns),
            self._logarithm(column_total, self._columns, self._rows),
        )

    def _logarithm(self, totals: Tensor, ours: Tensor, others: Tensor) -> Tensor:
        partitions = totals.log()
        inexact = (~((totals > _SMALLEST) & (totals < _LARGEST))).nonzero()[:, 0]
        for few in inexact.split(_BLOCK):
            logits = self._kernels.linear(ours[few], others) + self._bias[0]
            partitions[few] = logits.logsumexp(dim=1)
        return partitions

    def best_of_rows(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return each row's largest half log confidence, its column, and if it is that one's too.

        Half the log confidence, s - r/2 - c/2, orders pairs as the confidence does. The blocks
        are used up.

        Args:
            rows: (L,), of ``partitions``.
            columns: (S,), likewise.
        """
        half_columns = 0.5 * columns
        half_rows = (0.5 * rows).split(_BLOCK)
        peak = torch.full_like(columns, -torch.inf)
        values, partners = [], []
        for block, half in zip(self._blocks, half_rows, strict=True):
            largest = block.sub_(half_columns).max(dim=1)
            values.append(largest.values - half)
            partners.append(largest.indices)
            # The same subtraction again: a row's largest equals its column's to the bit.
            torch.maximum(peak, block.sub_(half[:, None]).amax(dim=0), out=peak)
        value, partner = torch.cat(values), torch.cat(partners)
        return value, partner, value == peak[partner]
