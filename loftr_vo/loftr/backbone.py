# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The convolutional backbone: a residual network with a feature pyramid, at 1/8 and 1/2."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def _conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)


def _conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, which is projected where the resolution halves."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv3x3(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Sequential(_conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))
            if stride > 1
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(self.downsample(x) + y, inplace=True)


class ResNetFPN(nn.Module):
    """ResNet-FPN with outputs at 1/8 and 1/2 of the picture (``ResNetFPN_8_2`` of the paper).

    Args:
        block_dims: channels at 1/2, 1/4 and 1/8; the stem has as many as the first.
        align_corners: of ``upsampled``.
    """

    def __init__(self, block_dims: tuple[int, int, int], align_corners: bool = True) -> None:
        super().__init__()
        self.align_corners = align_corners
        half, quarter, eighth = block_dims
        self.conv1 = nn.Conv2d(1, half, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.layer1 = nn.Sequential(ResidualBlock(half, half, 1), ResidualBlock(half, half, 1))
        self.layer2 = nn.Sequential(
            ResidualBlock(half, quarter, 2), ResidualBlock(quarter, quarter, 1)
        )
        self.layer3 = nn.Sequential(
            ResidualBlock(quarter, eighth, 2), ResidualBlock(eighth, eighth, 1)
        )
        self.layer3_outconv = _conv1x1(eighth, eighth)
        self.layer2_outconv = _conv1x1(quarter, eighth)
        self.layer2_outconv2 = self._smoothing(eighth, quarter)
        self.layer1_outconv = _conv1x1(half, quarter)
        self.layer1_outconv2 = self._smoothing(quarter, half)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    @staticmethod
    def _smoothing(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            _conv3x3(inputs, inputs),
            nn.BatchNorm2d(inputs),
            nn.LeakyReLU(),
            _conv3x3(inputs, outputs),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coarse and the fine feature map.

        Args:
            images: (B, 1, H, W), H and W multiples of 8.

        Returns:
            (B, block_dims[2], H/8, W/8) and (B, block_dims[0], H/2, W/2).
        """
        half = self.layer1(F.relu(self.bn1(self.conv1(images)), inplace=True))
        quarter = self.layer2(half)
        coarse = self.layer3_outconv(self.layer3(quarter))
        quarter = self.layer2_outconv2(self.layer2_outconv(quarter) + self._upsampled(coarse))
        fine = self.layer1_outconv2(self.layer1_outconv(half) + self._upsampled(quarter))
        return coarse, fine

    def _upsampled(self, x: Tensor) -> Tensor:
        return upsampled(x, self.align_corners)


def upsampled(x: Tensor, align_corners: bool) -> Tensor:
    """Return maps of twice the size.

    Args:
        x: (B, C, H, W).
        align_corners: whether corners are laid on corners, as in the published networks. From one
            edge of the map to the other that shifts it by a cell against the larger one it is
            added to, so that the same place has other features elsewhere in the picture.
    """
    return F.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=align_corners)
