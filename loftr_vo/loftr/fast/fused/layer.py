# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A layer of the coarse transformer in three kernels.

One sums keys and values up, one joins that with the merging layer, one does all the rest for each
block of tokens: their features never leave the chip.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from loftr_vo.loftr.fast.fused.language import feature_map, feed_forward, matrix
from loftr_vo.loftr.fast.transformer import LayerWeights
from loftr_vo.loftr.transformer import EncoderLayer

# Channels whose keys and values are multiplied at once; a head is within them.
_GROUP = 64
# Channels that one program joins with the merging layer, and how many sums it adds at once.
_JOINED, _TOGETHER = 16, 16


class _Launch(NamedTuple):
    """How the kernels are started for tokens of some width.

    Shared memory is what limits them: other GPUs have 99 KB for a program where a data centre's
    have 227. The compiler loads a loop's next operands ahead, a stage each, while there is some.

    Attributes:
        summed: tokens of one block that is summed up.
        blocks: how many of them one program sums up.
        attending: tokens that attend in one program.
        stages: of the loops over their weights.
    """

    summed: int
    blocks: int
    attending: int
    stages: int


# By channels. The fewer, the fewer programs a GPU needs, and the less one of them should do.
_LAUNCHES = {
    64: _Launch(summed=64, blocks=1, attending=64, stages=2),
    128: _Launch(summed=64, blocks=2, attending=64, stages=1),
    256: _Launch(summed=32, blocks=4, attending=64, stages=1),
}


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
    BLOCKS: tl.constexpr,
):
    split, group, batch = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    channel = tl.arange(0, C)
    inner = tl.arange(0, GROUP)
    key_part = matrix(key_weight, channel, group * GROUP + inner, C)
    value_part = matrix(value_weight, channel, group * GROUP + inner, C)
    summary = tl.zeros((GROUP, GROUP), tl.float32)
    total = tl.zeros((GROUP,), tl.float32)
    for block in range(BLOCKS):
        row = (split * BLOCKS + block) * ROWS + tl.arange(0, ROWS)
        inside = (row < count)[:, None]
        place = (batch * count + row)[:, None] * C + channel[None, :]
        tokens = tl.load(source + place, mask=inside, other=0.0).to(key_part.dtype)
        key = tl.where(inside, feature_map(tl.dot(tokens, key_part)), 0.0)
        value = tl.dot(tokens, value_part)
        summary = tl.dot(tl.trans(key.to(tokens.dtype)), value.to(tokens.dtype), summary)
        total += tl.sum(key, axis=0)
    part = (batch * tl.num_programs(0) + split) * C + group * GROUP
    tl.store(summaries + (part + inner)[:, None] * GROUP + inner[None, :], summary)
    tl.store(totals + part + inner, total)


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


@triton.jit
def _attend(
    tokens,
    query_weight,
    joined,
    mean_key,
    first,
    first_bias,
    second,
    scale,
    shift,
    output,
    count,
    source_count,
    C: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD: tl.constexpr,
    ROWS: tl.constexpr,
):
    batch = tl.program_id(1)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, C)
    inside = (row < count)[:, None]
    place = (batch * count + row)[:, None] * C + channel[None, :]
    x = tl.load(tokens + place, mask=inside, other=0.0).to(query_weight.dtype.element_ty)
    message = tl.zeros((ROWS, C), tl.float32)
    for start in range(0, C, GROUP):
        part = start + tl.arange(0, GROUP)
        query = feature_map(tl.dot(x, matrix(query_weight, channel, part, C)))
        weighted = query * tl.load(mean_key + batch * C + part)[None, :]
        of_a_head = (part[:, None] // HEAD == part[None, :] // HEAD).to(x.dtype)
        normaliser = tl.dot(weighted.to(x.dtype), of_a_head) + 1e-6 / source_count
        found = matrix(joined + batch * C * C, part, channel, C)
        message = tl.dot((query / normaliser).to(x.dtype), found, message)
    change = feed_forward(x, message, first, first_bias, second, C, GROUP)
    change = change * tl.load(scale + channel)[None, :] + tl.load(shift + channel)[None, :]
    change += tl.load(tokens + place, mask=inside, other=0.0)
    tl.store(output + place, change, mask=inside)


class FusedEncoderLayer:
    """What a ``FastEncoderLayer`` computes, on a GPU.

    Args:
        layer: where the weights come from; it is not changed. Channels must be 64, 128 or
            256, and a head have at most 64.
        device: where the weights are put.
        dtype: their type, float16 or bfloat16.
    """

    def __init__(self, layer: EncoderLayer, device: torch.device, dtype: torch.dtype) -> None:
        self._weights = LayerWeights.of(layer, device, dtype)
        self._query, self._key, self._value, self._merge, self._first, self._second = (
            weight.T.contiguous()
            for weight in (
                self._weights.query,
                self._weights.key,
                self._weights.value,
                self._weights.merge,
                self._weights.first,
                self._weights.second,
            )
        )
        self._first_bias = self._weights.first_bias.float()
        self._dim = layer.q_proj.in_features
        self._head = self._dim // layer.heads
        self._launch = _LAUNCHES[self._dim]

    def __call__(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Return float32 ``tokens`` (B, L, C) after they attended to ``source`` (B, S, C)."""
        batch, count, dim = tokens.shape
        source_count = source.shape[1]
        joined, mean_key = self._summarise(source)
        output = torch.empty_like(tokens)
        _attend[(triton.cdiv(count, self._launch.attending), batch)](
            tokens,
            self._query,
            joined,
            mean_key,
            self._first,
            self._first_bias,
            self._second,
            self._weights.scale,
            self._weights.shift,
            output,
            count,
            source_count,
            C=dim,
            GROUP=_GROUP,
            HEAD=self._head,
            ROWS=self._launch.attending,
            num_stages=self._launch.stages,
        )
        return output

    def _summarise(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return what tokens attend to: (B, C, C), through the merging layer, and (B, C)."""
        batch, count, dim = source.shape
        launch = self._launch
        splits = triton.cdiv(count, launch.summed * launch.blocks)
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
            ROWS=launch.summed,
            BLOCKS=launch.blocks,
            num_stages=1,
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
        return joined, mean_key
