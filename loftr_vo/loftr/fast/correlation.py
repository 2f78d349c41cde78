# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The correction of fine matches for inference."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from loftr_vo.loftr.correlation_head import CorrelationHead
from loftr_vo.loftr.fast.torch_kernels import Kernels


class FastCorrelationHead:
    """The layers of a ``CorrelationHead`` for correlation volumes.

    Args:
        head: where the weights come from; it is not changed.
        kernels: to compute with, on ``device`` in ``dtype``.
        device: where the weights are put.
        dtype: their type.
        rows: points that a window has in the volumes given, if more than the head knows; what
            they hold at those beyond does not count.
    """

    def __init__(
        self,
        head: CorrelationHead,
        kernels: Kernels,
        device: torch.device,
        dtype: torch.dtype,
        rows: int | None = None,
    ) -> None:
        self._kernels, self._dtype = kernels, dtype
        linear: list[Any] = list(head.layers)[::2]
        weights = [layer.weight.detach() for layer in linear]
        if rows is not None:
            points = round(weights[0].shape[1] ** 0.5)
            beyond = rows - points
            by_point = weights[0].unflatten(1, (points, points))
            weights[0] = F.pad(by_point, (0, beyond, 0, beyond)).flatten(1)
        self._weights = [weight.to(device, dtype).contiguous() for weight in weights]
        self._biases = [layer.bias.detach().to(device, dtype) for layer in linear]

    def __call__(self, volume: Tensor) -> Tensor:
        """Return what ``corrected`` takes, (N, 3) float32, of volumes (N, R * R)."""
        hidden = volume.to(self._dtype)
        activations = 'relu', 'relu', 'none'
        for weight, bias, activation in zip(self._weights, self._biases, activations, strict=True):
            hidden = self._kernels.linear(hidden, weight, bias, activation)
        return hidden.float()
