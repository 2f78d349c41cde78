# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Epilogues of convolutions that cuDNN cannot fuse, in one pass over the map each."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from loftr_vo.loftr.fast.torch_kernels import Convolution, CudnnKernels

# Numbers that one program works on.
_ELEMENTS = 1024


@triton.jit
def _leaky_relu(maps, bias, elements, channels, ELEMENTS: tl.constexpr):
    place = tl.program_id(0) * ELEMENTS + tl.arange(0, ELEMENTS)
    inside = place < elements
    x = tl.load(maps + place, mask=inside, other=0.0).to(tl.float32)
    x += tl.load(bias + place % channels, mask=inside, other=0.0).to(tl.float32)
    x = tl.where(x > 0, x, 0.01 * x)
    tl.store(maps + place, x.to(maps.dtype.element_ty), mask=inside)


@triton.jit
def _neighbours(place, size, step, origin):
    """Return the two cells of a coarser line around places of a line, and the second's weight."""
    at = tl.maximum(place.to(tl.float32) * step + origin, 0.0)
    before = at.to(tl.int32)
    return before, tl.minimum(before + 1, size - 1), at - before.to(tl.float32)


@triton.jit
def _add_enlarged(
    maps,
    coarser,
    elements,
    channels,
    height,
    width,
    step_y,
    step_x,
    origin,
    ELEMENTS: tl.constexpr,
):
    place = tl.program_id(0) * ELEMENTS + tl.arange(0, ELEMENTS)
    inside = place < elements
    channel, pixel = place % channels, place // channels
    row, column = pixel // (2 * width), pixel % (2 * width)
    picture, row = row // (2 * height), row % (2 * height)
    top, bottom, down = _neighbours(row, height, step_y, origin)
    left, right, across = _neighbours(column, width, step_x, origin)
    upper, lower = (picture * height + top) * width, (picture * height + bottom) * width
    corner00 = tl.load(coarser + (upper + left) * channels + channel, mask=inside, other=0.0)
    corner01 = tl.load(coarser + (upper + right) * channels + channel, mask=inside, other=0.0)
    corner10 = tl.load(coarser + (lower + left) * channels + channel, mask=inside, other=0.0)
    corner11 = tl.load(coarser + (lower + right) * channels + channel, mask=inside, other=0.0)
    above = corner00 + across * (corner01.to(tl.float32) - corner00)
    below = corner10 + across * (corner11.to(tl.float32) - corner10)
    x = tl.load(maps + place, mask=inside, other=0.0) + above + down * (below - above)
    tl.store(maps + place, x.to(maps.dtype.element_ty), mask=inside)


class TritonKernels(CudnnKernels):
    """cuDNN's, with one pass over the map where PyTorch needs two or three."""

    def convolve(
        self,
        x: Tensor,
        by: Convolution,
        activation: str = 'none',
        residual: Tensor | None = None,
    ) -> Tensor:
        """See ``Kernels``."""
        if activation != 'leaky_relu' or by.bias is None:
            return super().convolve(x, by, activation, residual)
        maps = super().convolve(x, by._replace(bias=None))
        channels = maps.shape[1]
        _leaky_relu[(triton.cdiv(maps.numel(), _ELEMENTS),)](
            _rows(maps), by.bias, maps.numel(), channels, ELEMENTS=_ELEMENTS
        )
        return maps

    def convolve_and_enlarge(
        self, x: Tensor, by: Convolution, coarser: Tensor, align_corners: bool
    ) -> Tensor:
        """See ``Kernels``."""
        maps = self.convolve(x, by)
        channels, height, width = coarser.shape[1:]
        if align_corners:
            steps, origin = ((height - 1) / (2 * height - 1), (width - 1) / (2 * width - 1)), 0.0
        else:
            steps, origin = (0.5, 0.5), -0.25
        _add_enlarged[(triton.cdiv(maps.numel(), _ELEMENTS),)](
            _rows(maps),
            _rows(coarser),
            maps.numel(),
            channels,
            height,
            width,
            *steps,
            origin,
            ELEMENTS=_ELEMENTS,
        )
        return maps


def _rows(maps: Tensor) -> Tensor:
    """Return maps (B, C, H, W) as (B, H, W, C), as they must lie in memory.

    Raises:
        ValueError: they do not.
    """
    rows = maps.permute(0, 2, 3, 1)
    if not rows.is_contiguous():
        raise ValueError('maps must be in channels-last order')
    return rows
