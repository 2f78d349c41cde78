# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The key-value summary of linear attention, summed and merged in two kernels."""

from __future__ import annotations

from typing import NamedTuple

import triton
import triton.language as tl
from torch import Tensor

from loftr_vo.loftr.fast.fused.language import feature_map, matrix
from loftr_vo.loftr.fast.transformer import LayerWeights

# Channels whose keys and values are multiplied with each other; a head is within them.
_GROUP = 64
# Tokens that one program sums up, and channels of them worked on together.
_ROWS, _CHUNK = 64, 64
# Channels that one program joins with the merging layer, and how many sums it adds at once.
_JOINED, _TOGETHER = 16, 16


@triton.jit
def _sum_up(
    source,
    key_weight,
    value_weight,
    summaries,
    totals,
    count,
    C: tl.constexpr,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr,
    CHUNK: tl.constexpr,
):
    split, group, batch = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    dtype: tl.constexpr = key_weight.dtype.element_ty
    row = split * ROWS + tl.arange(0, ROWS)
    inside = (row < count)[:, None]
    inner = tl.arange(0, GROUP)
    key = tl.zeros((ROWS, GROUP), tl.float32)
    value = tl.zeros((ROWS, GROUP), tl.float32)
    for start in range(0, C, CHUNK):
        channel = start + tl.arange(0, CHUNK)
        place = (batch * count + row)[:, None] * C + channel[None, :]
        tokens = tl.load(source + place, mask=inside, other=0.0).to(dtype)
        key = tl.dot(tokens, matrix(key_weight, channel, group * GROUP + inner, C), key)
        value = tl.dot(tokens, matrix(value_weight, channel, group * GROUP + inner, C), value)
    key = tl.where(inside, feature_map(key), 0.0)
    part = (batch * tl.num_programs(0) + split) * C + group * GROUP
    summary = tl.dot(tl.trans(key.to(dtype)), value.to(dtype))
    tl.store(summaries + (part + inner)[:, None] * GROUP + inner[None, :], summary)
    tl.store(totals + part + inner, tl.sum(key, axis=0))


@triton.jit
def _join(
    summaries,
    totals,
    merge_weight,
    joined,
    mean_key,
    count,
    SPLITS: tl.constexpr,
    C: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD: tl.constexpr,
    INNER: tl.constexpr,
    ROWS: tl.constexpr,
    TOGETHER: tl.constexpr,
):
    batch = tl.program_id(1)
    first = tl.program_id(0) * ROWS
    row = first + tl.arange(0, ROWS)
    # Channels with those of the same heads among them: no others are looked at.
    inner = first // INNER * INNER + tl.arange(0, INNER)
    channel = tl.arange(0, C)
    weight = matrix(merge_weight, inner, channel, C)
    summary = tl.zeros((ROWS, INNER), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    # One after the other, each would wait for memory.
    for start in range(0, SPLITS, TOGETHER):
        split = start + tl.arange(0, TOGETHER)
        there = split < SPLITS
        part = (batch * SPLITS + split)[:, None] * C + row[None, :]
        place = part[:, :, None] * GROUP + (inner % GROUP)[None, None, :]
        each = tl.load(summaries + place, mask=there[:, None, None], other=0.0)
        summary += tl.sum(each, axis=0)
        total += tl.sum(tl.load(totals + part, mask=there[:, None], other=0.0), axis=0)
    of_a_head = row[:, None] // HEAD == inner[None, :] // HEAD
    summary = tl.where(of_a_head, summary / count, 0.0).to(weight.dtype)
    place = (batch * C + row)[:, None] * C + channel[None, :]
    tl.store(joined + place, tl.dot(summary, weight).to(weight.dtype))
    tl.store(mean_key + batch * C + row, total / count)


class Summary(NamedTuple):
    """The key-value summary that tokens attend to.

    Attributes:
        joined: (B, C, C), means over the tokens of keys by values, through the merging layer.
        mean_key: (B, C) float32.
        source_count: of tokens.
    """

    joined: Tensor
    mean_key: Tensor
    source_count: int


class Summarise:
    """Sums up what tokens attend to.

    Args:
        weights: of the layer, on a GPU, in a half precision.
        head: channels of one, at most ``_GROUP``.
    """

    def __init__(self, weights: LayerWeights, head: int) -> None:
        self._key, self._value, self._merge = (
            weight.T.contiguous() for weight in (weights.key, weights.value, weights.merge)
        )
        self._head = head

    def __call__(self, source: Tensor) -> Summary:
        """Sum up float32 tokens (B, S, C), C a multiple of ``_GROUP`` and a power of two."""
        batch, count, dim = source.shape
        splits = triton.cdiv(count, _ROWS)
        summaries = source.new_empty(batch, splits, dim, _GROUP)
        totals = source.new_empty(batch, splits, dim)
        _sum_up[(splits, dim // _GROUP, batch)](
            source,
            self._key,
            self._value,
            summaries,
            totals,
            count,
            C=dim,
            GROUP=_GROUP,
            ROWS=_ROWS,
            CHUNK=_CHUNK,
            num_stages=2,
        )
        joined = source.new_empty(batch, dim, dim, dtype=self._merge.dtype)
        mean_key = source.new_empty(batch, dim)
        _join[(dim // _JOINED, batch)](
            summaries,
            totals,
            self._merge,
            joined,
            mean_key,
            count,
            SPLITS=splits,
            C=dim,
            GROUP=_GROUP,
            HEAD=self._head,
            INNER=max(self._head, _JOINED),
            ROWS=_JOINED,
            TOGETHER=_TOGETHER,
            num_stages=1,
        )
        return Summary(joined, mean_key, count)
