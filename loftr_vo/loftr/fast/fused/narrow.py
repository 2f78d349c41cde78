# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The rest of a narrow layer after its ``Summary``, in one kernel.

The features of a block of tokens never leave the chip.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from loftr_vo.loftr.fast.fused.language import attended, feed_forward
from loftr_vo.loftr.fast.fused.summary import Summary
from loftr_vo.loftr.fast.transformer import LayerWeights

# Tokens of one program, and channels worked on together.
_ROWS, _CHUNK = 64, 64


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
    HEAD: tl.constexpr,
    CHUNK: tl.constexpr,
    ROWS: tl.constexpr,
):
    batch = tl.program_id(1)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, C)
    inside = (row < count)[:, None]
    place = (batch * count + row)[:, None] * C + channel[None, :]
    x = tl.load(tokens + place, mask=inside, other=0.0).to(query_weight.dtype.element_ty)
    joined += batch * C * C
    mean_key += batch * C
    message = attended(x, query_weight, joined, mean_key, source_count, C, HEAD, CHUNK, ROWS)
    change = feed_forward(x, message, first, first_bias, second, C, CHUNK)
    change = change * tl.load(scale + channel)[None, :] + tl.load(shift + channel)[None, :]
    change += tl.load(tokens + place, mask=inside, other=0.0)
    tl.store(output + place, change, mask=inside)


class NarrowAttention:
    """Attention to a summary and the feed-forward network, of 64 channels.

    Wider layers have more weights than a program should read for the few tokens it holds.

    Args:
        weights: of the layer, on a GPU, in a half precision.
        head: channels of one.
    """

    def __init__(self, weights: LayerWeights, head: int) -> None:
        self._query, self._first, self._second = (
            weight.T.contiguous() for weight in (weights.query, weights.first, weights.second)
        )
        self._first_bias = weights.first_bias.float()
        self._scale, self._shift = weights.scale, weights.shift
        self._head = head

    def __call__(self, tokens: Tensor, summary: Summary) -> Tensor:
        """Return float32 ``tokens`` (B, L, C) after they attended to those of the summary."""
        batch, count, dim = tokens.shape
        output = torch.empty_like(tokens)
        _attend[(triton.cdiv(count, _ROWS), batch)](
            tokens,
            self._query,
            summary.joined,
            summary.mean_key,
            self._first,
            self._first_bias,
            self._second,
            self._scale,
            self._shift,
            output,
            count,
            summary.source_count,
            C=dim,
            HEAD=self._head,
            CHUNK=_CHUNK,
            ROWS=_ROWS,
            num_stages=2,
        )
        return output
