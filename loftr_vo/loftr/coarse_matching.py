# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Coarse matching: dual softmax, mutual nearest neighbours and a selection of fixed size."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from loftr_vo.loftr.support import count_support

# Finite, so that a row that is padding throughout has a softmax too.
_MASKED = -1e9
# Rows of a block on a CPU, which stays in the cache between passes.
_CPU_BLOCK = 64


class CoarseMatches(NamedTuple):
    """The K most confident pairs of coarse cells, the valid ones first.

    Attributes:
        cells0: (B, K) int64, row-major cell in the first picture.
        cells1: (B, K) int64, row-major cell in the second picture.
        confidence: (B, K) float32 in [0, 1], zero where not valid.
        valid: (B, K) bool; the other rows are padding.
    """

    cells0: Tensor
    cells1: Tensor
    confidence: Tensor
    valid: Tensor


def similarity(
    tokens0: Tensor,
    tokens1: Tensor,
    temperature: float,
    mask0: Tensor | None = None,
    mask1: Tensor | None = None,
) -> Tensor:
    """Return the logits of the dual softmax, <t0, t1> / (C temperature).

    Args:
        tokens0: (B, L, C).
        tokens1: (B, S, C).
        temperature: of the softmax.
        mask0: (B, L) or (B, h, w) bool, False at padding.
        mask1: (B, S) or (B, h, w) bool, False at padding.

    Returns:
        (B, L, S) float32.
    """
    scale = 1.0 / (tokens0.shape[2] * temperature)
    # float32: logits reach hundreds, where float16 and bfloat16 do not resolve neighbours.
    with torch.autocast(tokens0.device.type, enabled=False):
        logits = (tokens0.float() * scale) @ tokens1.float().transpose(1, 2)
    if mask0 is not None:
        logits = logits.masked_fill(~mask0.flatten(1)[:, :, None], _MASKED)
    if mask1 is not None:
        logits = logits.masked_fill(~mask1.flatten(1)[:, None, :], _MASKED)
    return logits


def dual_softmax_reference(logits: Tensor) -> Tensor:
    """Return the confidence of every pair as the paper writes it (its equation 2).

    Args:
        logits: (B, L, S).

    Returns:
        (B, L, S): the softmax over the second picture times that over the first.
    """
    return logits.softmax(dim=2) * logits.softmax(dim=1)


def log_partitions(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-sum-exp of every row and of every column.

    With them, r and c, the dual softmax of a pair is exp(2 s - r - c).

    Args:
        logits: (B, L, S) float32.

    Returns:
        (B, L, 1) and (B, 1, S).
    """
    peak = logits.amax(dim=1, keepdim=True)
    total = torch.zeros_like(peak)
    rows = []
    for block in _row_blocks(logits):
        rows.append(block.logsumexp(dim=2, keepdim=True))
        total = total + (block - peak).exp_().sum(dim=1, keepdim=True)
    return torch.cat(rows, dim=1), peak + total.log()


@torch.no_grad()
def select_matches(
    logits: Tensor,
    inside0: Tensor,
    inside1: Tensor,
    threshold: Tensor | float,
    max_matches: int,
    min_support: Tensor | int = 0,
) -> CoarseMatches:
    """Select mutual nearest neighbours of the confidence, the most confident first.

    All shapes follow from those of the arguments, so that nothing waits for the device and a CUDA
    graph can capture it. No cell is in two matches: of pairs that tie, the first counts.

    Args:
        logits: (B, L, S) float32, of ``similarity``.
        inside0: (B, h0, w0) bool, cells of the first picture where a match may be; L of them.
        inside1: (B, h1, w1) bool, likewise in the second; S of them.
        threshold: a match is valid if its confidence is larger,
        max_matches: K is this, or L if that is less.
        min_support: and its support is at least this, see ``count_support``.

    Returns:
        The selected matches.
    """
    confidence, partner, mutual = _mutual_neighbours(logits)
    return select_best(
        confidence, partner, mutual, inside0, inside1, threshold, max_matches, min_support
    )


def select_best(
    confidence: Tensor,
    partner: Tensor,
    mutual: Tensor,
    inside0: Tensor,
    inside1: Tensor,
    threshold: Tensor | float,
    max_matches: int,
    min_support: Tensor | int = 0,
) -> CoarseMatches:
    """Select the most confident of each row's best pair.

    Args:
        confidence: (B, L) float32, of each row's best pair.
        partner: (B, L) int64, its column.
        mutual: (B, L) bool, whether it is its column's best pair too.
        inside0, inside1, threshold, max_matches, min_support: see ``select_matches``.
    """
    inside = inside0.flatten(1) & inside1.flatten(1).gather(1, partner)
    valid = mutual & inside & (confidence > threshold) & (confidence > 0)
    grid0 = inside0.shape[1], inside0.shape[2]
    valid = valid & (count_support(partner, valid, grid0, inside1.shape[2]) >= min_support)
    confidence, cells0 = torch.where(valid, confidence, 0.0).topk(
        min(max_matches, confidence.shape[1]), dim=1
    )
    return CoarseMatches(cells0, partner.gather(1, cells0), confidence, valid.gather(1, cells0))


def _mutual_neighbours(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return each row's largest confidence, its column, and whether it is that column's largest.

    Half the log confidence, s - r/2 - c/2, orders pairs as the confidence does, and only the
    largest of each row is ever exponentiated. All three are (B, L).
    """
    rows, columns = log_partitions(logits)
    half_rows, half_columns = 0.5 * rows, 0.5 * columns
    peak = torch.full_like(columns, -torch.inf)
    best, partner = [], []
    for block, half in zip(_row_blocks(logits), _row_blocks(half_rows), strict=True):
        half_log = (block - half_columns).sub_(half)
        largest = half_log.max(dim=2)
        best.append(largest.values)
        partner.append(largest.indices)
        peak = torch.maximum(peak, half_log.amax(dim=1, keepdim=True))
    value, column = torch.cat(best, dim=1), torch.cat(partner, dim=1)
    tops_column = value == peak[:, 0].gather(1, column)
    return torch.exp(2.0 * value), column, first_of_column(column, tops_column, logits.shape[2])


def first_of_column(column: Tensor, chosen: Tensor, columns: int) -> Tensor:
    """Return which rows are ``chosen`` and the first such in their column; all (B, L)."""
    count = column.shape[1]
    row = torch.arange(count, device=column.device).expand_as(column)
    first = torch.full((len(column), columns), count, device=column.device)
    first = first.scatter_reduce(1, column, torch.where(chosen, row, count), 'amin')
    return first.gather(1, column) == row


def _row_blocks(matrix: Tensor) -> tuple[Tensor, ...]:
    return matrix.split(_CPU_BLOCK if matrix.is_cpu else matrix.shape[1], dim=1)


def inside_border(coarse: Tensor, border: int, mask: Tensor | None = None) -> Tensor:
    """Return which coarse cells lie further than ``border`` cells from the picture's edge.

    Args:
        coarse: (B, C, h, w), the coarse map; only its shape counts.
        border: width of the margin, in cells.
        mask: (B, h, w) bool, False at padding, which lies right of and below the picture; the
            margin is then counted from where the picture ends.

    Returns:
        (B, h, w) bool.
    """
    if mask is None:
        mask = torch.ones_like(coarse[:, 0], dtype=torch.bool)
    row = torch.arange(mask.shape[1], device=mask.device)[None, :, None]
    column = torch.arange(mask.shape[2], device=mask.device)[None, None, :]
    rows = mask.sum(dim=1).amax(dim=1)[:, None, None]
    columns = mask.sum(dim=2).amax(dim=1)[:, None, None]
    inside = (row >= border) & (row < rows - border)
    inside = inside & (column >= border) & (column < columns - border)
    return inside
