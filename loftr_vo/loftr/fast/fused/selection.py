# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Coarse matching on a GPU, tile by tile of the matrix of all pairs.

What ``similarity`` and ``select_matches`` compute. The matrix is written once and read once; all
that is ever kept of a tile is one number for each of its rows and columns.

A line is a row or a column of the matrix. Numbers of lines lie in the same buffers, those of the
rows first.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from loftr_vo.loftr.coarse_matching import CoarseMatches
from loftr_vo.loftr.support import REACH, TOLERANCE

# Elements of the tokens that one program splits.
_SPLIT = 1024
# Channels multiplied at once.
_CHUNK = 32
# Rows of the matrix are padded to a multiple of this, which Triton vectorises.
_ALIGNMENT = 16
# Rows or columns that one program sums up over all tiles.
_LINES = 16
# Cells whose support one program counts.
_CELLS = 32
# Cells that one program counts the more confident ones of, and how many it looks at together.
_RANKED, _RIVALS = 16, 512


class _Launch(NamedTuple):
    """How the matrix is cut.

    Attributes:
        tile: side of a tile.
        warps: that work on one.
    """

    tile: int
    warps: int


# Large tiles read tokens fewer times, small ones leave less of a GPU idle at the end.
_NARROW, _WIDE = _Launch(tile=64, warps=4), _Launch(tile=128, warps=8)
# Channels up to which tokens are narrow.
_NARROW_DIM = 64
# As many as let two programs with large tiles share a multiprocessor.
_REGISTERS = 128


@triton.jit
def _logarithm_of_sum(x, AXIS: tl.constexpr):
    peak = tl.max(x, axis=AXIS)
    return peak + tl.log(tl.sum(tl.exp(x - tl.expand_dims(peak, AXIS)), axis=AXIS))


@triton.jit
def _split(tokens, halves, size, place):
    """Split float32 tokens into sums of two numbers in float16.

    Logits reach hundreds, so that products must be those of float32. Each of two numbers has 11
    bits, and what the smaller one rounds off is 2^-22 of the token, or 2^-25 where that is more:
    of tokens below 1/8, which count for little. As much is what the product of the two smaller
    ones comes to, which is left out. TF32 has no more bits, and its products take twice as long.
    """
    inside = place < size
    x = tl.load(tokens + place, mask=inside)
    high = x.to(tl.float16)
    tl.store(halves + place, high, mask=inside)
    tl.store(halves + size + place, (x - high.to(tl.float32)).to(tl.float16), mask=inside)


@triton.jit
def _split_both(tokens0, tokens1, halves0, halves1, size0, size1, SIZE: tl.constexpr):
    place = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    _split(tokens0, halves0, size0, place)
    _split(tokens1, halves1, size1, place)


@triton.jit
def _pair_tiles(
    halves0,
    halves1,
    logits,
    partitions,
    factor,
    count0,
    count1,
    pitch,
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
        place0 = halves0 + row[:, None] * C + channel[None, :]
        place1 = halves1 + channel[:, None] + column[None, :] * C
        high0 = tl.load(place0, mask=inside0[:, None], other=0.0)
        low0 = tl.load(place0 + count0 * C, mask=inside0[:, None], other=0.0)
        high1 = tl.load(place1, mask=inside1[None, :], other=0.0)
        low1 = tl.load(place1 + count1 * C, mask=inside1[None, :], other=0.0)
        # As exact as a product in float32, see ``_split``.
        tile = tl.dot(low0, high1, tile)
        tile = tl.dot(high0, low1, tile)
        tile = tl.dot(high0, high1, tile)
    inside = inside0[:, None] & inside1[None, :]
    tile = tl.where(inside, tile * factor, -1e30)
    # 64 bits, since the matrix of two large pictures has more elements than 32 bits count.
    place = row.to(tl.int64)[:, None] * pitch + column[None, :]
    tl.store(logits + place, tile, mask=inside0[:, None] & (column < pitch)[None, :])
    lines = count0 + count1
    of_rows, of_columns = column_tile * lines + row, row_tile * lines + count0 + column
    tl.store(partitions + of_rows, _logarithm_of_sum(tile, 1), mask=inside0)
    tl.store(partitions + of_columns, _logarithm_of_sum(tile, 0), mask=inside1)


@triton.jit
def _of_tiles(numbers, line, count0, count1, MOST_TILES: tl.constexpr, TILE: tl.constexpr):
    """Load what lines have of every tile, (lines, MOST_TILES)."""
    tile = tl.arange(0, MOST_TILES)
    lines = count0 + count1
    across = tl.where(line < count0, tl.cdiv(count1, TILE), tl.cdiv(count0, TILE))
    there = (line < lines)[:, None] & (tile[None, :] < across[:, None])
    return tl.load(numbers + tile[None, :] * lines + line[:, None], mask=there, other=-1e30)


@triton.jit
def _sum_tiles(
    of_tiles,
    sums,
    count0,
    count1,
    LINES: tl.constexpr,
    MOST_TILES: tl.constexpr,
    TILE: tl.constexpr,
):
    line = tl.program_id(0) * LINES + tl.arange(0, LINES)
    each = _of_tiles(of_tiles, line, count0, count1, MOST_TILES, TILE)
    tl.store(sums + line, _logarithm_of_sum(each, 1), mask=line < count0 + count1)


@triton.jit
def _largest_of_tiles(
    logits,
    partitions,
    largest,
    count0,
    count1,
    pitch,
    TILE: tl.constexpr,
):
    row_tile, column_tile = tl.program_id(0), tl.program_id(1)
    row = row_tile * TILE + tl.arange(0, TILE)
    column = column_tile * TILE + tl.arange(0, TILE)
    inside0, inside1 = row < count0, column < count1
    place = row.to(tl.int64)[:, None] * pitch + column[None, :]
    inside = inside0[:, None] & (column < pitch)[None, :]
    tile = tl.load(logits + place, mask=inside, other=-1e30)
    of_row = tl.load(partitions + row, mask=inside0, other=0.0)
    of_column = tl.load(partitions + count0 + column, mask=inside1, other=0.0)
    half = tile - 0.5 * of_column[None, :] - 0.5 * of_row[:, None]
    lines = count0 + count1
    of_rows, of_columns = column_tile * lines + row, row_tile * lines + count0 + column
    tl.store(largest + of_rows, tl.max(half, axis=1), mask=inside0)
    tl.store(largest + of_columns, tl.max(half, axis=0), mask=inside1)


@triton.jit
def _best(
    logits,
    partitions,
    largest,
    value,
    partner,
    count0,
    count1,
    pitch,
    LINES: tl.constexpr,
    MOST_TILES: tl.constexpr,
    TILE: tl.constexpr,
):
    line = tl.program_id(0) * LINES + tl.arange(0, LINES)
    inside = line < count0 + count1
    each = _of_tiles(largest, line, count0, count1, MOST_TILES, TILE)
    best_tile = tl.argmax(each, axis=1)
    # Of that tile alone, where: to carry places through all tiles would cost more than a look.
    across = best_tile[:, None] * TILE + tl.arange(0, TILE)[None, :]
    is_row = (line < count0)[:, None]
    row = tl.where(is_row, line[:, None], across)
    column = tl.where(is_row, across, line[:, None] - count0)
    there = inside[:, None] & (row < count0) & (column < count1)
    half = tl.load(logits + row.to(tl.int64) * pitch + column, mask=there, other=-1e30)
    half -= 0.5 * tl.load(partitions + count0 + column, mask=there, other=0.0)
    half -= 0.5 * tl.load(partitions + row, mask=there, other=0.0)
    best, place = tl.max(half, axis=1, return_indices=True)
    tl.store(value + line, best, mask=inside)
    # Among what is no number, the largest may be beyond the last.
    last = tl.where(line < count0, count1, count0) - 1
    tl.store(partner + line, tl.minimum(best_tile * TILE + place, last), mask=inside)


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
    # A match supports itself.
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
        tokens0: (1, L, C) float32 within the range of float16, C a power of two from 32 on.
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
        self.count0, self.count1, self._dim = len(tokens0), len(tokens1), tokens0.shape[1]
        self._factor = 1.0 / (self._dim * temperature)
        # Rows begin where several elements can be read and written at once.
        self._pitch = triton.cdiv(self.count1, _ALIGNMENT) * _ALIGNMENT
        self._launch = _NARROW if self._dim <= _NARROW_DIM else _WIDE
        tile = self._launch.tile
        self._grid = triton.cdiv(self.count0, tile), triton.cdiv(self.count1, tile)
        self._tiles = max(self._grid)
        self._lines = self.count0 + self.count1
        self._line_grid = (triton.cdiv(self._lines, _LINES),)
        self._sizes = {
            'LINES': _LINES,
            'MOST_TILES': triton.next_power_of_2(self._tiles),
            'TILE': tile,
        }

    def best(self) -> tuple[Tensor, Tensor]:
        """Return half the log confidence (L + S,) of each line's best pair, and its partner."""
        logits, partitions = self._logits()
        largest = self._of_tiles()
        counts = self.count0, self.count1, self._pitch
        _largest_of_tiles[self._grid](
            logits,
            partitions,
            largest,
            *counts,
            TILE=self._launch.tile,
            num_warps=self._launch.warps,
        )
        value, partner = self._of_lines(), self._of_lines(torch.int32)
        _best[self._line_grid](logits, partitions, largest, value, partner, *counts, **self._sizes)
        return value, partner

    def _logits(self) -> tuple[Tensor, Tensor]:
        """Return the logits (L, pitch) and the log-sum-exp of every line (L + S,)."""
        logits = self._tokens0.new_empty(self.count0, self._pitch)
        of_tiles, partitions = self._of_tiles(), self._of_lines()
        _pair_tiles[self._grid](
            *self._halves(),
            logits,
            of_tiles,
            self._factor,
            self.count0,
            self.count1,
            self._pitch,
            C=self._dim,
            CHUNK=_CHUNK,
            TILE=self._launch.tile,
            num_warps=self._launch.warps,
            num_stages=2,
            maxnreg=_REGISTERS,
        )
        _sum_tiles[self._line_grid](of_tiles, partitions, self.count0, self.count1, **self._sizes)
        return logits, partitions

    def _halves(self) -> tuple[Tensor, Tensor]:
        """Return the tokens of both, (2, L, C) and (2, S, C) float16, whose sums they are."""
        tokens = self._tokens0, self._tokens1
        halves0, halves1 = (each.new_empty(2, *each.shape, dtype=torch.float16) for each in tokens)
        sizes = [each.numel() for each in tokens]
        _split_both[(triton.cdiv(max(sizes), _SPLIT),)](
            *tokens, halves0, halves1, *sizes, SIZE=_SPLIT
        )
        return halves0, halves1

    def _of_tiles(self) -> Tensor:
        return self._tokens0.new_empty(self._tiles, self._lines)

    def _of_lines(self, dtype: torch.dtype = torch.float32) -> Tensor:
        return self._tokens0.new_empty(self._lines, dtype=dtype)
