# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Triton kernels over the matrix of all pairs of coarse tokens, tile by tile.

A line is a row or a column of the matrix. Numbers of lines lie in the same buffers, those of the
rows first.
"""

from __future__ import annotations

import triton
import triton.language as tl


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
def split_both(tokens0, tokens1, halves0, halves1, size0, size1, SIZE: tl.constexpr):
    """Split the tokens of both pictures, see ``_split``."""
    place = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    _split(tokens0, halves0, size0, place)
    _split(tokens1, halves1, size1, place)


@triton.jit
def pair_tiles(
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
    """Write the logits of a tile, and the log-sum-exp of each of its rows and columns."""
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
def sum_tiles(
    of_tiles,
    sums,
    count0,
    count1,
    LINES: tl.constexpr,
    MOST_TILES: tl.constexpr,
    TILE: tl.constexpr,
):
    """Join the log-sum-exp of a line's tiles into that of the line."""
    line = tl.program_id(0) * LINES + tl.arange(0, LINES)
    each = _of_tiles(of_tiles, line, count0, count1, MOST_TILES, TILE)
    tl.store(sums + line, _logarithm_of_sum(each, 1), mask=line < count0 + count1)


@triton.jit
def largest_of_tiles(
    logits,
    partitions,
    largest,
    count0,
    count1,
    pitch,
    TILE: tl.constexpr,
):
    """Write the largest half log confidence of each row and column of a tile."""
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
def best_partners(
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
    """Write the largest half log confidence of each line, and the partner that has it."""
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
