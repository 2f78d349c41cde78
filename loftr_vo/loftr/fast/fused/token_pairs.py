# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The best partner of each coarse token among all pairs, tile by tile of their matrix.

The matrix is written once and read once; all that is ever kept of a tile is one number for each
of its rows and columns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
from torch import Tensor

from loftr_vo.loftr.fast.fused.pair_kernels import (
    best_partners,
    largest_of_tiles,
    pair_tiles,
    split_both,
    sum_tiles,
)

# Elements of the tokens that one program splits.
_SPLIT = 1024
# Channels multiplied at once.
_CHUNK = 32
# Rows of the matrix are padded to a multiple of this, which Triton vectorises.
_ALIGNMENT = 16
# Rows or columns that one program sums up over all tiles.
_LINES = 16


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


class TokenPairs:
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
        largest_of_tiles[self._grid](
            logits,
            partitions,
            largest,
            *counts,
            TILE=self._launch.tile,
            num_warps=self._launch.warps,
        )
        value, partner = self._of_lines(), self._of_lines(torch.int32)
        best_partners[self._line_grid](
            logits, partitions, largest, value, partner, *counts, **self._sizes
        )
        return value, partner

    def _logits(self) -> tuple[Tensor, Tensor]:
        """Return the logits (L, pitch) and the log-sum-exp of every line (L + S,)."""
        logits = self._tokens0.new_empty(self.count0, self._pitch)
        of_tiles, partitions = self._of_tiles(), self._of_lines()
        pair_tiles[self._grid](
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
        sum_tiles[self._line_grid](of_tiles, partitions, self.count0, self.count1, **self._sizes)
        return logits, partitions

    def _halves(self) -> tuple[Tensor, Tensor]:
        """Return the tokens of both, (2, L, C) and (2, S, C) float16, whose sums they are."""
        tokens = self._tokens0, self._tokens1
        halves0, halves1 = (each.new_empty(2, *each.shape, dtype=torch.float16) for each in tokens)
        sizes = [each.numel() for each in tokens]
        split_both[(triton.cdiv(max(sizes), _SPLIT),)](
            *tokens, halves0, halves1, *sizes, SIZE=_SPLIT
        )
        return halves0, halves1

    def _of_tiles(self) -> Tensor:
        return self._tokens0.new_empty(self._tiles, self._lines)

    def _of_lines(self, dtype: torch.dtype = torch.float32) -> Tensor:
        return self._tokens0.new_empty(self._lines, dtype=dtype)
