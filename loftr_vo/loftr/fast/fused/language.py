# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Functions shared by the fused kernels, in Triton's language.

Functions of Triton are no Python functions: their arguments are pointers to the first element of
contiguous tensors, whole numbers, and constants of the compilation, in capitals.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def feature_map(x):
    """Return elu(x) + 1, which linear attention multiplies."""
    return tl.where(x > 0, x + 1.0, tl.exp(tl.minimum(x, 0.0)))


@triton.jit
def normalised(x, C: tl.constexpr):
    """Divide the rows of (R, C), whose means are zero, by their standard deviations."""
    return x * tl.rsqrt(tl.sum(x * x, axis=1) / C + 1e-5)[:, None]


@triton.jit
def matrix(pointer, rows, columns, WIDTH: tl.constexpr):
    """Load some rows and some columns of a matrix of a width."""
    return tl.load(pointer + rows[:, None] * WIDTH + columns[None, :])


@triton.jit
def attended(
    x,
    query_weight,
    joined,
    mean_key,
    source_count,
    C: tl.constexpr,
    HEAD: tl.constexpr,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Return the attention message of tokens, (ROWS, C) float32, before its norm.

    Args:
        x: (ROWS, C), the tokens, in the type of the weights.
        query_weight: (C, C), inputs by outputs.
        joined: (C, C), see ``Summary``; of one picture, like what follows.
        mean_key: (C,) float32, likewise.
        source_count: likewise.
        C: channels.
        HEAD: channels of a head.
        GROUP: channels of queries worked on together, one or more heads.
        ROWS: tokens.
    """
    channel = tl.arange(0, C)
    message = tl.zeros((ROWS, C), tl.float32)
    for start in range(0, C, GROUP):
        part = start + tl.arange(0, GROUP)
        query = feature_map(tl.dot(x, matrix(query_weight, channel, part, C)))
        weighted = query * tl.load(mean_key + part)[None, :]
        of_a_head = (part[:, None] // HEAD == part[None, :] // HEAD).to(x.dtype)
        normaliser = tl.dot(weighted.to(x.dtype), of_a_head) + 1e-6 / source_count
        found = matrix(joined, part, channel, C)
        message = tl.dot((query / normaliser).to(x.dtype), found, message)
    return message


@triton.jit
def feed_forward(
    x,
    message,
    first,
    first_bias,
    second,
    C: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Return the residual of a layer, (R, C) float32, before its last scale and shift.

    Args:
        x: (R, C), the tokens, in the type of the weights.
        message: (R, C) float32, the attention message, before its norm.
        first: (2 C, 2 C), inputs by outputs.
        first_bias: (2 C,) float32.
        second: (2 C, C), inputs by outputs.
        C: channels.
        CHUNK: hidden channels worked on together.
    """
    channel = tl.arange(0, C)
    short = normalised(message, C).to(x.dtype)
    change = tl.zeros_like(message)
    for start in range(0, 2 * C, CHUNK):
        hidden_channel = start + tl.arange(0, CHUNK)
        hidden = tl.dot(x, matrix(first, channel, hidden_channel, 2 * C))
        hidden = tl.dot(short, matrix(first, C + channel, hidden_channel, 2 * C), hidden)
        hidden = tl.maximum(hidden + tl.load(first_bias + hidden_channel)[None, :], 0.0)
        change = tl.dot(hidden.to(x.dtype), matrix(second, hidden_channel, channel, C), change)
    return normalised(change, C)
