# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Coarse matching on a CPU, block by block, with each pair of cells exponentiated once.

What ``similarity`` and ``select_matches`` compute. The matrix of all pairs is by far the largest
thing that the network makes, so that the number of passes over it is what counts. All logarithms
are to the base 2, since PyTorch's exp2 is several times as fast as its exp.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from loftr_vo.loftr.coarse_matching import CoarseMatches, first_of_column, select_best
from loftr_vo.loftr.fast.torch_kernels import Kernels

# Rows of a block, which stays in the cache between passes.
_BLOCK = 128
# One row in so many is sampled to estimate the largest logit.
_SAMPLE = 32
_LN_2 = math.log(2)
# Sums of exponentials in this range have kept float32 precision.
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
    scaled = tokens0[0] * (1.0 / (_LN_2 * tokens0.shape[2] * temperature))
    pairs = _Pairs(scaled, tokens1[0], kernels)
    value, column, mutual = (each[None] for each in pairs.mutual_best(*pairs.partitions()))
    return select_best(
        torch.exp2(2.0 * value),
        column,
        first_of_column(column, mutual, tokens1.shape[1]),
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
            exponential = block.exp2()
            row_totals.append(exponential.sum(dim=1))
            column_total += exponential.sum(dim=0)
        return (
            self._logarithm(torch.cat(row_totals), self._rows, self._columns),
            self._logarithm(column_total, self._columns, self._rows),
        )

    def _logarithm(self, totals: Tensor, ours: Tensor, others: Tensor) -> Tensor:
        partitions = totals.log2()
        inexact = (~((totals > _SMALLEST) & (totals < _LARGEST))).nonzero()[:, 0]
        for few in inexact.split(_BLOCK):
            # Not by oneDNN, which would compile and keep a kernel for every number of rows.
            logits = ours[few] @ others.T + self._bias[0]
            partitions[few] = (logits * _LN_2).logsumexp(dim=1) / _LN_2
        return partitions

    def mutual_best(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return each row's largest half log confidence, its column, and if it is that one's too.

        Half the log confidence, s - r/2 - c/2, orders pairs as the confidence does. The column is
        told of mutual pairs only; others have any. The blocks are used up.

        To know the places of the largest costs ten times as much as to know how large they are.
        A mutual pair is where a row's largest equals a column's, so columns are looked up by that.

        Args:
            rows: (L,), of ``partitions``.
            columns: (S,), likewise.
        """
        half_columns = 0.5 * columns
        half_rows = (0.5 * rows).split(_BLOCK)
        peak = torch.full_like(columns, -torch.inf)
        values = []
        for block, half in zip(self._blocks, half_rows, strict=True):
            block.sub_(half_columns).sub_(half[:, None])
            values.append(block.amax(dim=1))
            torch.maximum(peak, block.amax(dim=0), out=peak)
        value = torch.cat(values)
        column, mutual = self._look_up(value, peak)
        return value, column, mutual

    def _look_up(self, value: Tensor, peak: Tensor) -> tuple[Tensor, Tensor]:
        """Return the column (L,) whose ``peak`` (S,) is each row's ``value`` (L,), and if any is.

        Other pairs may happen to be as large to the bit: those rows are searched.
        """
        ordered, order = peak.sort(stable=True)
        place = torch.searchsorted(ordered, value).clamp_(max=len(peak) - 1)
        column, mutual = order[place], ordered[place] == value
        there = torch.cat(
            [
                block.gather(1, columns[:, None])[:, 0]
                for block, columns in zip(self._blocks, column.split(_BLOCK), strict=True)
            ]
        )
        for row in (mutual & (there != value)).nonzero()[:, 0].tolist():
            column[row] = self._blocks[row // _BLOCK][row % _BLOCK].argmax()
            mutual[row] = value[row] == peak[column[row]]
        return column, mutual
