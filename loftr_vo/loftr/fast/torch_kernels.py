# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions with what follows them fused, by oneDNN or cuDNN, and the plain ones."""

from __future__ import annotations

import math
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
