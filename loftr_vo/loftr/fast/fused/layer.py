# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A layer of the coarse transformer on a GPU."""

from __future__ import annotations

import torch
from torch import Tensor

from loftr_vo.loftr.fast.fused.narrow import NarrowAttention
from loftr_vo.loftr.fast.fused.summary import Summarise
from loftr_vo.loftr.fast.fused.wide import WideAttention
from loftr_vo.loftr.fast.transformer import LayerWeights
from loftr_vo.loftr.transformer import EncoderLayer

# Channels up to which a layer is narrow.
_NARROW = 64


class FusedEncoderLayer:
    """What a ``FastEncoderLayer`` computes, on a GPU.

    Args:
        layer: where the weights come from; it is not changed. Channels must be a multiple of 64
            and a power of two, and a head have at most 64.
        device: where the weights are put.
        dtype: their type, float16 or bfloat16.
    """

    def __init__(self, layer: EncoderLayer, device: torch.device, dtype: torch.dtype) -> None:
        weights = LayerWeights.of(layer, device, dtype)
        dim = layer.q_proj.in_features
        head = dim // layer.heads
        self._summarise = Summarise(weights, head)
        attention = NarrowAttention if dim <= _NARROW else WideAttention
        self._attend = attention(weights, head)

    def __call__(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Return float32 ``tokens`` (B, L, C) after they attended to ``source`` (B, S, C)."""
        return self._attend(tokens, self._summarise(source))
