# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The fine stage on a GPU: one program refines one match, from its windows to its place.

The windows of a match are 25 tokens each, small enough that nothing of them ever leaves the chip.
Filling rows, which are no match, cost next to nothing.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from loftr_vo.loftr.coarse_matching import CoarseMatches
from loftr_vo.loftr.correlation_head import corrected
from loftr_vo.loftr.fast.correlation import FastCorrelationHead
from loftr_vo.loftr.fast.fine import context_map
from loftr_vo.loftr.fast.fused.language import feature_map, feed_forward, matrix
from loftr_vo.loftr.fast.torch_kernels import Kernels
from loftr_vo.loftr.fast.transformer import LayerWeights
from loftr_vo.loftr.fast.windows import CELL
from loftr_vo.loftr.model import FINE_STRIDE, LoFTR

# Rows of a tile that holds a window; what is beyond the window is zero.
_ROWS = 32
# Hidden channels worked on together.
_CHUNK = 32


@triton.jit
def _window(
    fine,
    tokens,
    cell,
    context_weight,
    context_bias,
    cells_per_row,
    C: tl.constexpr,
    COARSE: tl.constexpr,
    SIZE: tl.constexpr,
    CELL: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Return the window around a cell with its context, (ROWS, C) float32."""
    row, channel = tl.arange(0, ROWS), tl.arange(0, C)
    pitch = CELL * cells_per_row + 2 * (SIZE // 2)
    corner = CELL * (cell // cells_per_row * pitch + cell % cells_per_row)
    inside = (row < SIZE * SIZE)[:, None]
    pixel = corner + row // SIZE * pitch + row % SIZE
    pixels = tl.load(fine + pixel[:, None] * C + channel[None, :], mask=inside, other=0.0)
    # The same token in every row: a product takes no less than a tile.
    coarse = tl.arange(0, COARSE)
    token = tl.load(tokens + cell * COARSE + coarse).to(pixels.dtype)
    token = tl.broadcast_to(token[None, :], (ROWS, COARSE))
    context = tl.dot(token, matrix(context_weight, coarse, channel, C))
    context = (context + tl.load(context_bias + channel)[None, :]).to(pixels.dtype)
    return tl.where(inside, pixels.to(tl.float32) + context.to(tl.float32), 0.0)


@triton.jit
def _layer(
    tokens,
    source,
    weights,
    numbers,
    LAYER: tl.constexpr,
    C: tl.constexpr,
    HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    CHUNK: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Return the tokens of a window (ROWS, C) after they attended to those of another.

    Args:
        tokens: (ROWS, C) float32.
        source: (ROWS, C) float32.
        weights: of all layers, see ``_pack``.
        numbers: likewise.
        LAYER: which layer.
        C: channels.
        HEADS: of attention.
        SIZE: side of a window.
        CHUNK: hidden channels worked on together.
        ROWS: of the tile.
    """
    channel = tl.arange(0, C)
    square: tl.constexpr = C * C
    weights += LAYER * 10 * square
    numbers += LAYER * 4 * C
    x, short = tokens.to(weights.dtype.element_ty), source.to(weights.dtype.element_ty)
    query = feature_map(tl.dot(x, matrix(weights, channel, channel, C)))
    key = feature_map(tl.dot(short, matrix(weights + square, channel, channel, C)))
    inside = (tl.arange(0, ROWS) < SIZE * SIZE)[:, None]
    key = tl.trans(tl.where(inside, key, 0.0).to(x.dtype))
    value = tl.dot(short, matrix(weights + 2 * square, channel, channel, C)).to(x.dtype)
    found = tl.zeros((ROWS, C), tl.float32)
    # A head has too few channels for a product of its own: the others are set to zero.
    for head in range(HEADS):
        ours = (channel // (C // HEADS) == head)[None, :]
        alike = tl.dot(tl.where(ours, query, 0.0).to(x.dtype), key)
        share = alike / (tl.sum(alike, axis=1)[:, None] + 1e-6)
        found = tl.dot(share.to(x.dtype), tl.where(ours, value, 0.0), found)
    message = tl.dot(found.to(x.dtype), matrix(weights + 3 * square, channel, channel, C))
    change = feed_forward(
        x, message, weights + 4 * square, numbers, weights + 8 * square, C, CHUNK
    )
    scale, shift = tl.load(numbers + 2 * C + channel), tl.load(numbers + 3 * C + channel)
    return tl.where(inside, tokens + change * scale[None, :] + shift[None, :], 0.0)


@triton.jit
def _refine(
    fine0,
    fine1,
    tokens0,
    tokens1,
    cells0,
    cells1,
    valid,
    context_weight,
    context_bias,
    weights,
    numbers,
    keypoints,
    spreads,
    volumes,
    cells_per_row0,
    cells_per_row1,
    factor,
    C: tl.constexpr,
    COARSE: tl.constexpr,
    HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    CELL: tl.constexpr,
    STRIDE: tl.constexpr,
    CHUNK: tl.constexpr,
    ROWS: tl.constexpr,
    CORRELATE: tl.constexpr,
):
    match = tl.program_id(0)
    cell1 = tl.load(cells1 + match)
    x = (cell1 % cells_per_row1 * (CELL * STRIDE)).to(tl.float32)
    y = (cell1 // cells_per_row1 * (CELL * STRIDE)).to(tl.float32)
    spread = 0.0 * x
    row = tl.arange(0, ROWS)
    volume = tl.zeros((ROWS, ROWS), tl.float32)
    if tl.load(valid + match) != 0:
        cell0 = tl.load(cells0 + match)
        first = _window(
            fine0,
            tokens0,
            cell0,
            context_weight,
            context_bias,
            cells_per_row0,
            C,
            COARSE,
            SIZE,
            CELL,
            ROWS,
        )
        second = _window(
            fine1,
            tokens1,
            cell1,
            context_weight,
            context_bias,
            cells_per_row1,
            C,
            COARSE,
            SIZE,
            CELL,
            ROWS,
        )
        first = _layer(first, first, weights, numbers, 0, C, HEADS, SIZE, CHUNK, ROWS)
        second = _layer(second, second, weights, numbers, 0, C, HEADS, SIZE, CHUNK, ROWS)
        first = _layer(first, second, weights, numbers, 1, C, HEADS, SIZE, CHUNK, ROWS)
        second = _layer(second, first, weights, numbers, 1, C, HEADS, SIZE, CHUNK, ROWS)
        centre = tl.sum(tl.where((row == SIZE * SIZE // 2)[:, None], first, 0.0), axis=0)
        logits = tl.sum(second * centre[None, :], axis=1) * factor
        logits = tl.where(row < SIZE * SIZE, logits, -1e30)
        heat = tl.exp(logits - tl.max(logits, axis=0))
        heat /= tl.sum(heat, axis=0)
        right = (row % SIZE - SIZE // 2).to(tl.float32)
        down = (row // SIZE - SIZE // 2).to(tl.float32)
        dx, dy = tl.sum(heat * right, axis=0), tl.sum(heat * down, axis=0)
        square = tl.sum(heat * (right * right + down * down), axis=0)
        spread = STRIDE * tl.sqrt(tl.maximum(square - dx * dx - dy * dy, 1e-6))
        x += STRIDE * dx
        y += STRIDE * dy
        if CORRELATE:
            centred = second - tl.sum(second, axis=0)[None, :] / (SIZE * SIZE)
            short = weights.dtype.element_ty
            volume = tl.dot((first * factor).to(short), tl.trans(centred.to(short)))
    if CORRELATE:
        place = match * ROWS * ROWS + row[:, None] * ROWS + row[None, :]
        tl.store(volumes + place, volume.to(volumes.dtype.element_ty))
    tl.store(keypoints + 2 * match, x)
    tl.store(keypoints + 2 * match + 1, y)
    tl.store(spreads + match, spread)


class FusedFine:
    """Refines matches as ``FastLoFTR`` does by its fine transformer, on a GPU.

    Args:
        model: where the weights come from; it is not changed. Its fine transformer must have two
            layers, their channels be a power of two from 16 on, and a window fit ``_ROWS``.
        kernels: for what follows the windows.
        device: where the weights are put.
        dtype: their type, float16 or bfloat16.
    """

    def __init__(
        self, model: LoFTR, kernels: Kernels, device: torch.device, dtype: torch.dtype
    ) -> None:
        config = model.config
        self._dim, self._heads, self._size = config.fine_dim, config.fine_heads, config.window
        weight, bias = context_map(model.fine_preprocess)
        self._context_weight = weight.T.contiguous().to(device, dtype)
        self._context_bias = bias.to(device)
        layers = [
            LayerWeights.of(layer, device, dtype)  # type: ignore[arg-type]
            for layer in model.loftr_fine.layers
        ]
        self._weights, self._numbers = _pack(layers)
        self._head = model.correlation_head and FastCorrelationHead(
            model.correlation_head, kernels, device, dtype, _ROWS
        )

    def __call__(
        self,
        fine: tuple[Tensor, Tensor],
        tokens: tuple[Tensor, Tensor],
        coarse: CoarseMatches,
        cells_per_row: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """See ``FastFine``; matches that are not valid are not refined."""
        count = coarse.valid.shape[1]
        keypoints = tokens[0].new_empty(1, count, 2)
        spreads = tokens[0].new_empty(1, count)
        points = _ROWS**2 if self._head is not None else 0
        volumes = self._weights.new_empty(count, points)
        _refine[(count,)](
            *fine,
            *tokens,
            coarse.cells0,
            coarse.cells1,
            coarse.valid.view(torch.uint8),
            self._context_weight,
            self._context_bias,
            self._weights,
            self._numbers,
            keypoints,
            spreads,
            volumes,
            *cells_per_row,
            self._dim**-0.5,
            C=self._dim,
            COARSE=tokens[0].shape[2],
            HEADS=self._heads,
            SIZE=self._size,
            CELL=CELL,
            STRIDE=FINE_STRIDE,
            CHUNK=min(2 * self._dim, _CHUNK),
            ROWS=_ROWS,
            CORRELATE=self._head is not None,
            num_warps=1 if self._dim <= _CHUNK else 4,
            num_stages=1,
        )
        if self._head is None:
            return keypoints, spreads
        return corrected(keypoints, spreads, self._head(volumes), FINE_STRIDE)


def _pack(layers: list[LayerWeights]) -> tuple[Tensor, Tensor]:
    """Return all layers' weights, inputs by outputs, and their float32 numbers, each in a row."""
    weights = [
        torch.cat([weight.T.flatten() for weight in (*layer[:5], layer.second)])
        for layer in layers
    ]
    numbers = [torch.cat([layer.first_bias.float(), layer.scale, layer.shift]) for layer in layers]
    return torch.cat(weights), torch.cat(numbers)
