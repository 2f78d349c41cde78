# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Triton kernels that choose matches from the best pair of each row and column."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _is_match(row, there, value, partner, inside0, inside1, threshold, count0):
    """Return which rows are matched, and the column of each."""
    column = tl.load(partner + row, mask=there, other=0)
    back = tl.load(partner + count0 + column, mask=there, other=-1)
    confidence = tl.exp(2.0 * tl.load(value + row, mask=there, other=-1e30))
    allowed = tl.load(inside0 + row, mask=there, other=0) & tl.load(
        inside1 + column, mask=there, other=0
    )
    matched = there & (back == row) & (allowed != 0) & (confidence > threshold) & (confidence > 0)
    return matched, column, confidence


@triton.jit
def count_support(
    value,
    partner,
    inside0,
    inside1,
    threshold,
    min_support,
    confidences,
    count0,
    rows0,
    columns0,
    columns1,
    REACH: tl.constexpr,
    TOLERANCE: tl.constexpr,
    CELLS: tl.constexpr,
):
    """Write the confidence (L,) of each row that is matched with enough support, else zero.

    ``partner`` and ``value`` are those of ``TokenPairs.best``; support is as in ``loftr.support``.
    """
    row = tl.program_id(0) * CELLS + tl.arange(0, CELLS)
    least = tl.load(threshold)
    matched, column, confidence = _is_match(
        row, row < count0, value, partner, inside0, inside1, least, count0
    )
    y, x = row // columns0, row % columns0
    down, right = column // columns1 - y, column % columns1 - x
    support = tl.zeros((CELLS,), tl.int32)
    for step in range((2 * REACH + 1) * (2 * REACH + 1)):
        other_y = y + step // (2 * REACH + 1) - REACH
        other_x = x + step % (2 * REACH + 1) - REACH
        there = (other_y >= 0) & (other_y < rows0) & (other_x >= 0) & (other_x < columns0)
        other, other_column, _ = _is_match(
            other_y * columns0 + other_x, there, value, partner, inside0, inside1, least, count0
        )
        turned_down = tl.abs(other_column // columns1 - other_y - down) <= TOLERANCE
        turned_right = tl.abs(other_column % columns1 - other_x - right) <= TOLERANCE
        support += (other & turned_down & turned_right).to(tl.int32)
    # A match supports itself.
    matched = matched & (support - 1 >= tl.load(min_support))
    tl.store(confidences + row, tl.where(matched, confidence, 0.0), mask=row < count0)


@triton.jit
def rank_by_confidence(
    confidences,
    partner,
    cells0,
    cells1,
    confidence,
    valid,
    count0,
    kept,
    COUNT: tl.constexpr,
    CELLS: tl.constexpr,
    RIVALS: tl.constexpr,
):
    """Write the ``kept`` most confident matches, in order; of equals the first row comes first."""
    row = tl.program_id(0) * CELLS + tl.arange(0, CELLS)
    inside = row < count0
    ours = tl.load(confidences + row, mask=inside, other=-1.0)
    rank = tl.zeros((CELLS,), tl.int32)
    for start in range(0, COUNT, RIVALS):
        rival = start + tl.arange(0, RIVALS)
        theirs = tl.load(confidences + rival, mask=rival < count0, other=-1.0)
        before = (theirs[None, :] == ours[:, None]) & (rival[None, :] < row[:, None])
        rank += tl.sum((before | (theirs[None, :] > ours[:, None])).to(tl.int32), axis=1)
    chosen = inside & (rank < kept)
    tl.store(cells0 + rank, row.to(tl.int64), mask=chosen)
    tl.store(cells1 + rank, tl.load(partner + row, mask=chosen, other=0).to(tl.int64), mask=chosen)
    tl.store(confidence + rank, ours, mask=chosen)
    tl.store(valid + rank, (ours > 0).to(tl.uint8), mask=chosen)
