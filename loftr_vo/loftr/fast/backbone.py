# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The backbone for inference: batch norm folded into the convolutions, channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from loftr_vo.loftr.backbone import ResidualBlock, ResNetFPN
from loftr_vo.loftr.fast.torch_kernels import Convolution, Kernels


class FastBackbone:
    """What ``ResNetFPN`` computes in eval mode, for one device and precision.

    Args:
        backbone: where the weights come from; it is not changed.
        fine_map: (Cf, Cf), a linear map of the fine features that the last convolution, being
            linear too, takes in.
        kernels: to compute with, on ``device`` in ``dtype``.
        device: where the weights are put.
        dtype: their type.
        multiple: channel counts are filled up with zeros to multiples of this, the picture's one
            too. It changes no number, and tensor cores want it: the published networks have 196
            channels.
    """

    def __init__(
        self,
        backbone: ResNetFPN,
        fine_map: Tensor,
        kernels: Kernels,
        device: torch.device,
        dtype: torch.dtype,
        multiple: int = 1,
    ) -> None:
        self._kernels = kernels

        def fold(convolution: Any, norm: Any = None, last: bool = False) -> Convolution:
            weight: Tensor = convolution.weight
            bias: Tensor | None = None
            if norm is not None:
                weight, bias = fuse_conv_bn_weights(
                    weight,
                    None,
                    norm.running_mean,
                    norm.running_var,
                    norm.eps,
                    norm.weight,
                    norm.bias,
                )
            if last:
                weight = torch.einsum('oc,cikl->oikl', fine_map, weight)
            outputs, inputs = weight.shape[:2]
            # What leaves the backbone is not filled up.
            more_outputs = 0 if last else -outputs % multiple
            more_inputs = -inputs % multiple
            weight = F.pad(weight, (0, 0, 0, 0, 0, more_inputs, 0, more_outputs))
            bias = None if bias is None else F.pad(bias, (0, more_outputs))
            return Convolution(
                weight.detach().to(device, dtype).contiguous(memory_format=torch.channels_last),
                None if bias is None else bias.detach().to(device, dtype),
                convolution.stride[0],
            )

        def fold_blocks(layer: Any) -> list[_Block]:
            return [_Block(block, fold) for block in layer]

        self._align_corners = backbone.align_corners
        self._coarse_channels = backbone.layer3_outconv.out_channels
        self._stem = fold(backbone.conv1, backbone.bn1)
        self._layer1 = fold_blocks(backbone.layer1)
        self._layer2 = fold_blocks(backbone.layer2)
        self._layer3 = fold_blocks(backbone.layer3)
        self._eighth_out = fold(backbone.layer3_outconv)
        self._quarter_out = fold(backbone.layer2_outconv)
        self._half_out = fold(backbone.layer1_outconv)
        first, norm, _, second = backbone.layer2_outconv2
        self._quarter_smoothing = fold(first, norm), fold(second)
        first, norm, _, second = backbone.layer1_outconv2
        self._half_smoothing = fold(first, norm), fold(second, last=True)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coarse map and the mapped fine map, both in channels-last order.

        Args:
            images: (B, 1, H, W), H and W multiples of 8.
        """
        convolve = self._kernels.convolve
        half = convolve(self._filled_up(images), self._stem, 'relu')
        half = self._through(self._layer1, half)
        quarter = self._through(self._layer2, half)
        eighth = convolve(self._through(self._layer3, quarter), self._eighth_out)
        quarter = self._joined(quarter, self._quarter_out, eighth)
        quarter = self._smooth(quarter, self._quarter_smoothing)
        half = self._joined(half, self._half_out, quarter)
        return eighth[:, : self._coarse_channels], self._smooth(half, self._half_smoothing)

    def _filled_up(self, images: Tensor) -> Tensor:
        """Return pictures (B, 1, H, W) with as many channels as the stem takes, channels last."""
        more = self._stem.weight.shape[1] - 1
        if not more:
            return images.contiguous(memory_format=torch.channels_last)
        return F.pad(images.permute(0, 2, 3, 1), (0, more)).permute(0, 3, 1, 2)

    def _joined(self, x: Tensor, by: Convolution, coarser: Tensor) -> Tensor:
        """Return a level of the pyramid: the map convolved, plus the coarser level enlarged."""
        return self._kernels.convolve_and_enlarge(x, by, coarser, self._align_corners)

    def _through(self, blocks: list[_Block], x: Tensor) -> Tensor:
        for block in blocks:
            y = self._kernels.convolve(x, block.first, 'relu')
            shortcut = x if block.shortcut is None else self._kernels.convolve(x, block.shortcut)
            x = self._kernels.convolve(y, block.second, 'relu', residual=shortcut)
        return x

    def _smooth(self, x: Tensor, by: tuple[Convolution, Convolution]) -> Tensor:
        return self._kernels.convolve(self._kernels.convolve(x, by[0], 'leaky_relu'), by[1])


class _Block:
    """The folded convolutions of a ``ResidualBlock``."""

    def __init__(self, block: ResidualBlock, fold: Callable[..., Convolution]) -> None:
        self.first = fold(block.conv1, block.bn1)
        self.second = fold(block.conv2, block.bn2)
        self.shortcut: Convolution | None = None
        if isinstance(block.downsample, nn.Sequential):
            shortcut = fold(*block.downsample)
            assert shortcut.bias is not None and self.second.bias is not None
            # What both are added to is the same: one pass over the memory less.
            self.second = self.second._replace(bias=self.second.bias + shortcut.bias)
            self.shortcut = shortcut._replace(bias=None)
