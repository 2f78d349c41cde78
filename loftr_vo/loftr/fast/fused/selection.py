# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Coarse matching on a GPU, tile by tile of the matrix of all pairs.

What ``similarity`` and ``select_matches`` compute. The matrix is written once and read once; all
that is ever kept of a tile is one number for each of its rows and columns.

Numbers of rows and of columns lie in the same buffers, those of the rows first.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from loftr_vo.loftr.coarse_matching import CoarseMatches
from loftr_vo.loftr.support import REACH, TOLERANCE

# Side of a tile.
_TILE = 64
# Channels multiplied at once.
_CHUNK = 64
# Rows or columns that one program sums up over all tiles.
_SUMMED = 16
# Cells that one program asks the cells around of.
_CELLS = 32
# Cells that one program counts the more confident ones of, and how many it looks at together.
_RANKED, _RIVALS = 16, 512


@triton.jit
def _logarithm_of_sum(x, AXIS: tl.constexpr):
    peak = tl.max(x, axis=AXIS)
    return peak + tl.log(tl.sum(tl.exp(x - tl.expand_dims(peak, AXIS)), axis=AXIS))


@triton.jit
def _pair_tiles(
    tokens0,
    tokens1,
    logits,
    partitions,
    factor,
    count0,
    count1,
    tiles,
    C: tl.constexpr,
    CHUNK: tl.constexpr,
    TILE: tl.constexpr,
):
    row_tile, column_tile = tl.program_id(0), tl.program_id(1)
    row = row_tile * TILE + tl.arange(0, TILE)
    column = column_tile * TILE + tl.arange(0, TILE)
    inside0, inside1 = row < count0, column < count1
    tile = tl.zeros((TILE, TILE), tl.float32)
    for start in range(0, C, CHUNK):
        channel = start + tl.arange(0, CHUNK)
        ours = tl.load(
            tokens0 + row[:, None] * C + channel[None, :], mask=inside0[:, None], other=0.0
        )
        theirs = tl.load(
            tokens1 + column[:, None] * C + channel[None, :], mask=inside1[:, None], other=0.0
        )
        # Logits reach hundreds: three products in TF32 are as exact as one in float32.
        tile = tl.dot(ours, tl.trans(theirs), tile, input_precision='tf32x3')
    tile *= factor
    inside = inside0[:, None] & inside1[None, :]
    # 64 bits, since the matrix of two large pictures has more elements than 32 bits count.
    place = row.to(tl.int64)[:, None] * count1 + column[None, :]
    tl.store(logits + place, tile, mask=inside)
    tile = tl.where(inside, tile, -1e30)
    tl.store(partitions + row * tiles + column_tile, _logarithm_of_sum(tile, 1), mask=inside0)
    tl.store(
        partitions + (count0 + column) * tiles + row_tile, _logarithm_of_sum(tile, 0), mask=inside1
    )


@triton.jit
def _sum_tiles(
    of_tiles,
    sums,
    count0,
    count1,
    tiles,
    ROWS: tl.constexpr,
    MOST_TILES: tl.constexpr,
    TILE: tl.constexpr,
):
    line = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    tile = tl.arange(0, MOST_TILES)
    across = tl.where(line < count0, tl.cdiv(count1, TILE), tl.cdiv(count0, TILE))
    there = (line < count0 + count1)[:, None] & (tile[None, :] < across[:, None])
    each = tl.load(of_tiles + line[:, None] * tiles + tile[None, :], mask=there, other=-1e30)
    tl.store(sums + line, _logarithm_of_sum(each, 1), mask=line < count0 + count1)


@triton.jit
def _best_of_tiles(
    logits,
    partitions,
    values,
    places,
    count0,
    count1,
    tiles,
    TILE: tl.constexpr,
):
    row_tile, column_tile = tl.program_id(0), tl.program_id(1)
    row = row_tile * TILE + tl.arange(0, TILE)
    column = column_tile * TILE + tl.arange(0, TILE)
    inside0, inside1 = row < count0, column < count1
    inside = inside0[:, None] & inside1[None, :]
    place = row.to(tl.int64)[:, None] * count1 + column[None, :]
    tile = tl.load(logits + place, mask=inside, other=-1e30)
    of_row = tl.load(partitions + row, mask=inside0, other=0.0)
    of_column = tl.load(partitions + count0 + column, mask=inside1, other=0.0)
    half = tile - 0.5 * of_column[None, :] - 0.5 * of_row[:, None]
    value, best = tl.max(half, axis=1, return_indices=True)
    tl.store(values + row * tiles + column_tile, value, mask=inside0)
    tl.store(places + row * tiles + column_tile, column_tile * TILE + best, mask=inside0)
    value, best = tl.max(half, axis=0, return_indices=True)
    tl.store(values + (count0 + column) * tiles + row_tile, value, mask=inside1)
    tl.store(places + (count0 + column) * tiles + row_tile, row_tile * TILE + best, mask=inside1)


@triton.jit
def _best(
    values,
    places,
    value,
    partner,
    count0,
    count1,
    tiles,
    ROWS: tl.constexpr,
    MOST_TILES: tl.constexpr,
    TILE: tl.constexpr,
):
    line = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    tile = tl.arange(0, MOST_TILES)
    across = tl.where(line < count0, tl.cdiv(count1, TILE), tl.cdiv(count0, TILE))
    inside = line < count0 + count1
    there = inside[:, None] & (tile[None, :] < across[:, None])
    each = tl.load(values + line[:, None] * tiles + tile[None, :], mask=there, other=-1e30)
    largest, best = tl.max(each, axis=1, return_indices=True)
    tl.store(value + line, largest, mask=inside)
    tl.store(partner + line, tl.load(places + line * tiles + best, mask=inside), mask=inside)


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
def _supported(
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
    # Each goes the way it goes itself.
    matched = matched & (support - 1 >= tl.load(min_support))
    tl.store(confidences + row, tl.where(matched, confidence, 0.0), mask=row < count0)


@triton.jit
def _rank(
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
        tokens0: (1, L, C) float32, C a power of two.
        tokens1: (1, S, C) float32.
        temperature: of the softmax.
        inside0, inside1, max_matches: see ``select_matches``.
        threshold: () float32, likewise.
        min_support: () int64, likewise.
    """
    pairs = _Pairs(tokens0[0], tokens1[0], temperature)
    value, partner = pairs.best()
    rows0, columns0 = inside0.shape[1:]
    confidences = torch.empty_like(value[: pairs.count0])
    _supported[(triton.cdiv(pairs.count0, _CELLS),)](
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
    _rank[(triton.cdiv(pairs.count0, _RANKED),)](
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


class _Pairs:
    """All pairs of a row of tokens (L, C) and a column of tokens (S, C)."""

    def __init__(self, tokens0: Tensor, tokens1: Tensor, temperature: float) -> None:
        self._tokens0, self._tokens1 = tokens0, tokens1
        self.count0, self.count1, dim = len(tokens0), len(tokens1), tokens0.shape[1]
        self._factor = 1.0 / (dim * temperature)
        tiles0, tiles1 = (triton.cdiv(count, _TILE) for count in (self.count0, self.count1))
        self._grid = tiles0, tiles1
        self._tiles = max(tiles0, tiles1)
        self._lines = self.count0 + self.count1
        self._most_tiles = triton.next_power_of_2(self._tiles)

    def best(self) -> tuple[Tensor, Tensor]:
        """Return half the log confidence (L + S,) of each line's best pair, and its partner."""
        logits, partitions = self._logits()
        values = self._of_tiles()
        places = self._of_tiles(torch.int32)
        counts = self.count0, self.count1, self._tiles
        _best_of_tiles[self._grid](logits, partitions, values, places, *counts, TILE=_TILE)
        value, partner = self._of_lines(), self._of_lines(torch.int32)
        _best[self._line_grid](values, places, value, partner, *counts, **self._sizes)
        return value, partner

    def _logits(self) -> tuple[Tensor, Tensor]:
        """Return the logits (L, S) and the log-sum-exp of every line (L + S,)."""
        logits = self._tokens0.new_empty(self.count0, self.count1)
        of_tiles, partitions = self._of_tiles(), self._of_lines()
        counts = self.count0, self.count1, self._tiles
        dim = self._tokens0.shape[1]
        _pair_tiles[self._grid](
            self._tokens0,
            self._tokens1,
            logits,
            of_tiles,
            self._factor,
            *counts,
            C=dim,
            CHUNK=min(dim, _CHUNK),
            TILE=_TILE,
        )
        _sum_tiles[self._line_grid](of_tiles, partitions, *counts, **self._sizes)
        return logits, partitions

    @property
    def _line_grid(self) -> tuple[int]:
        return (triton.cdiv(self._lines, _SUMMED),)

    @property
    def _sizes(self) -> dict[str, int]:
        return {'ROWS': _SUMMED, 'MOST_TILES': self._most_tiles, 'TILE': _TILE}

    def _of_tiles(self, dtype: torch.dtype = torch.float32) -> Tensor:
        return self._tokens0.new_empty(self._lines, self._tiles, dtype=dtype)

    def _of_lines(self, dtype: torch.dtype = torch.float32) -> Tensor:
        return self._tokens0.new_empty(self._lines, dtype=dtype)
