# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The rest of a wide layer after its ``Summary``: two kernels with PyTorch's products between.

The feed-forward network has most of the weights, 1 MB of half floats at 256 channels. A program
that did all for its block of tokens would read them all, one piece after the other.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from loftr_vo.loftr.fast.fused.language import attended, normalised
from loftr_vo.loftr.fast.fused.summary import Summary
from loftr_vo.loftr.fast.transformer import LayerWeights

# Tokens that attend in one program, and channels of queries worked on together.
_ROWS, _GROUP = 32, 32
# Tokens that one program adds their change to.
_CHANGED = 16


@triton.jit
def _attend(
    tokens,
    query_weight,
    joined,
    mean_key,
    hidden,
    count,
    source_count,
    C: tl.constexpr,
    HEAD: tl.constexpr,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr,
):
    batch = tl.program_id(1)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, C)
    inside = (row < count)[:, None]
    token = (batch * count + row)[:, None]
    x = tl.load(tokens + token * C + channel[None, :], mask=inside, other=0.0)
    x = x.to(query_weight.dtype.element_ty)
    joined += batch * C * C
    mean_key += batch * C
    message = attended(x, query_weight, joined, mean_key, source_count, C, HEAD, GROUP, ROWS)
    place = hidden + token * (2 * C) + channel[None, :]
    tl.store(place, x, mask=inside)
    tl.store(place + C, normalised(message, C).to(x.dtype), mask=inside)


@triton.jit
def _add(tokens, change, scale, shift, output, count, C: tl.constexpr, ROWS: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, C)
    inside = (row < count)[:, None]
    place = row[:, None] * C + channel[None, :]
    x = tl.load(change + place, mask=inside, other=0.0).to(tl.float32)
    x = normalised(x, C) * tl.load(scale + channel)[None, :] + tl.load(shift + channel)[None, :]
    x += tl.load(tokens + place, mask=inside, other=0.0)
    tl.store(output + place, x, mask=inside)


class WideAttention:
    """Attention to a summary and the feed-forward network, of more than 64 channels.

    Args:
        weights: of the layer, on a GPU, in a half precision.
        head: channels of one.
    """

    def __init__(self, weights: LayerWeights, head: int) -> None:
        self._query = weights.query.T.contiguous()
        self._weights, self._head = weights, head

    def __call__(self, tokens: Tensor, summary: Summary) -> Tensor:
        """Return float32 ``tokens`` (B, L, C) after they attended to those of the summary."""
        by = self._weights
        # With a bias and ReLU, which torch.addmm leaves to a pass of its own.
        hidden = torch._addmm_activation(
            by.first_bias, self._with_message(tokens, summary), by.first.T, use_gelu=False
        )
        change = hidden @ by.second.T
        output = torch.empty_like(tokens)
        rows, dim = change.shape
        _add[(triton.cdiv(rows, _CHANGED),)](
            tokens, change, by.scale, by.shift, output, rows, C=dim, ROWS=_CHANGED
        )
        return output

    def _with_message(self, tokens: Tensor, summary: Summary) -> Tensor:
        """Return (B L, 2 C), all tokens beside their attention messages."""
        batch, count, dim = tokens.shape
        hidden = tokens.new_empty(batch * count, 2 * dim, dtype=self._query.dtype)
        _attend[(triton.cdiv(count, _ROWS), batch)](
            tokens,
            self._query,
            summary.joined,
            summary.mean_key,
            hidden,
            count,
            summary.source_count,
            C=dim,
            HEAD=self._head,
            GROUP=max(self._head, _GROUP),
            ROWS=_ROWS,
            num_stages=2,
        )
        return hidden
