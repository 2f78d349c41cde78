# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions and linear layers with what follows them, by the fastest means at hand.

``Kernels`` says what is computed, with plain PyTorch. Its subclasses compute the same with one
call where PyTorch needs several: each pass over the memory that is spared counts as much as
arithmetic does, in a network as narrow as this.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from loftr_vo.loftr.backbone import upsampled

_EPSILON = 1e-5  # of nn.LayerNorm
_LOG2_E = 1 / math.log(2)


class Convolution(NamedTuple):
    """Weights of a convolution with as much padding as keeps the size at stride one.

    Attributes:
        weight: (O, I, k, k).
        bias: (O,) or None.
        stride: in both directions.
    """

    weight: Tensor
    bias: Tensor | None
    stride: int = 1

    @property
    def padding(self) -> int:
        """On every side."""
        return self.weight.shape[2] // 2


class Kernels:
    """The plain kernels, which run everywhere."""

    def convolve(
        self,
        x: Tensor,
        by: Convolution,
        activation: str = 'none',
        residual: Tensor | None = None,
    ) -> Tensor:
        """Convolve (B, I, H, W), add a residual (B, O, h, w), apply an activation.

        Args:
            x: in channels-last order, for speed.
            by: the weights.
            activation: none, relu or leaky_relu; the last not with a residual.
            residual: what is added before the activation.
        """
        y = F.conv2d(x, by.weight, by.bias, by.stride, by.padding)
        if residual is not None:
            y = y.add_(residual)
        return _activated(y, activation)

    def convolve_and_enlarge(
        self, x: Tensor, by: Convolution, coarser: Tensor, align_corners: bool
    ) -> Tensor:
        """Convolve (B, I, H, W) and add (B, O, H / 2, W / 2), enlarged; see ``upsampled``."""
        return self.convolve(x, by, residual=upsampled(coarser, align_corners))

    def linear(
        self, x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str = 'none'
    ) -> Tensor:
        """Map (..., I) by a weight (O, I) and a bias (O,) to (..., O)."""
        return _activated(F.linear(x, weight, bias), activation)

    def normalise(self, x: Tensor) -> Tensor:
        """Divide (..., C), whose mean over C is zero, by its standard deviation, per row."""
        return F.layer_norm(x, x.shape[-1:], eps=_EPSILON)

    def feature_map(self, x: Tensor) -> Tensor:
        """Return elu(x) + 1, of the shape of ``x``, which linear attention multiplies."""
        return F.elu(x).add_(1)


def _activated(x: Tensor, activation: str) -> Tensor:
    if activation == 'relu':
        return F.relu_(x)
    if activation == 'leaky_relu':
        return F.leaky_relu_(x)
    return x


class OneDnnKernels(Kernels):
    """oneDNN's, for float32 on a CPU.

    It fuses what follows a convolution or a linear layer into it, and at a few dozen channels it
    is twice as fast as the BLAS that PyTorch takes.
    """

    def convolve(
        self,
        x: Tensor,
        by: Convolution,
        activation: str = 'none',
        residual: Tensor | None = None,
    ) -> Tensor:
        """See ``Kernels``."""
        sizes = [by.padding] * 2, [by.stride] * 2, [1, 1], 1
        slope = [0.01] if activation == 'leaky_relu' else []
        convolution = torch.ops.mkldnn._convolution_pointwise
        if residual is None:
            return convolution(x, by.weight, by.bias, *sizes, activation, slope, '')
        unary = None if activation == 'none' else activation
        return convolution.binary(
            x, residual, by.weight, by.bias, *sizes, 'add', 1.0, unary, slope, ''
        )

    def linear(
        self, x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str = 'none'
    ) -> Tensor:
        """See ``Kernels``."""
        if x.numel() == 0:
            return super().linear(x, weight, bias, activation)
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], '')

    def normalise(self, x: Tensor) -> Tensor:
        """See ``Kernels``; where the mean is zero, the root mean square is the deviation."""
        return F.rms_norm(x, x.shape[-1:], eps=_EPSILON)

    def feature_map(self, x: Tensor) -> Tensor:
        """See ``Kernels``; PyTorch's exp2 is several times as fast as its exp and its elu."""
        return x.clamp(max=0).mul_(_LOG2_E).exp2_().add_(F.relu(x))


class CudnnKernels(Kernels):
    """cuDNN's, which fuse bias, residual and ReLU into the convolution."""

    def convolve(
        self,
        x: Tensor,
        by: Convolution,
        activation: str = 'none',
        residual: Tensor | None = None,
    ) -> Tensor:
        """See ``Kernels``."""
        if activation != 'relu':
            return super().convolve(x, by, activation, residual)
        sizes = [by.stride] * 2, [by.padding] * 2, [1, 1], 1
        if residual is None:
            return torch.cudnn_convolution_relu(x, by.weight, by.bias, *sizes)
        return torch.cudnn_convolution_add_relu(x, by.weight, residual, 1.0, by.bias, *sizes)


def choose_kernels(device: torch.device, dtype: torch.dtype) -> Kernels:
    """Return the fastest kernels that work here: each is tried, and held against the plain ones.

    What is fused is not part of PyTorch's public interface, so that a release may lack it.
    """
    candidates: list[Callable[[], Kernels]] = []
    if device.type == 'cpu' and dtype == torch.float32:
        candidates = [OneDnnKernels]
    elif device.type == 'cuda':
        candidates = [_triton_kernels, CudnnKernels]
    for candidate in candidates:
        try:
            kernels = candidate()
            if _agree(kernels, device, dtype):
                return kernels
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # Triton's have types of their own
            logging.getLogger(__name__).info('not used: %s', error)
    return Kernels()


def _triton_kernels() -> Kernels:
    from loftr_vo.loftr.fast.fused.maps import TritonKernels

    return TritonKernels()


def _agree(kernels: Kernels, device: torch.device, dtype: torch.dtype) -> bool:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    by = Convolution(random(16, 8, 3, 3), random(16))
    by = by._replace(weight=by.weight.contiguous(memory_format=torch.channels_last))
    image, residual = (
        random(1, channels, 6, 6).contiguous(memory_format=torch.channels_last)
        for channels in (8, 16)
    )
    rows, weight, bias = random(5, 8), random(16, 8), random(16)
    coarser = random(1, 16, 3, 3).contiguous(memory_format=torch.channels_last)

    def answers(each: Kernels) -> list[Tensor]:
        return [
            *(
                each.convolve(image, by, activation, added)
                for activation in ('none', 'relu')
                for added in (None, residual)
            ),
            each.convolve(image, by, 'leaky_relu'),
            *(
                each.convolve_and_enlarge(image, by._replace(bias=None), coarser, aligned)
                for aligned in (False, True)
            ),
            each.linear(rows, weight, bias, 'relu'),
            each.normalise(rows - rows.mean(dim=1, keepdim=True)),
            each.feature_map(rows),
        ]

    with torch.inference_mode():
        ours, plain = answers(kernels), answers(Kernels())
    tolerance = 100 * torch.finfo(dtype).eps
    return all(
        torch.allclose(answer, expected, rtol=tolerance, atol=tolerance)
        for answer, expected in zip(ours, plain, strict=True)
    )
