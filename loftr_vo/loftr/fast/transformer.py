# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The transformers for inference: projections joined, scales and shifts folded away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from loftr_vo.loftr.fast.torch_kernels import Kernels
from loftr_vo.loftr.transformer import EncoderLayer, LocalFeatureTransformer, linear_attention

# Of tokens (B, L, C) and those that they attend to, (B, S, C).
Layer = Callable[[Tensor, Tensor], Tensor]

# Tokens narrower than this attend faster with all heads at once.
_NARROW = 32


class LayerWeights(NamedTuple):
    """The weights of an ``EncoderLayer`` with what its norms do to all tokens alike folded away.

    Attributes:
        query: (C, C), outputs by inputs, like all that follow.
        key: (C, C).
        value: (C, C).
        merge: (C, C), whose outputs have a mean of zero.
        first: (2 C, 2 C), of the tokens and the message; takes in the first norm's scale.
        first_bias: (2 C,), the first norm's shift.
        second: (C, 2 C), whose outputs have a mean of zero.
        scale: (C,) float32, of the second norm.
        shift: (C,) float32, likewise.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    merge: Tensor
    first: Tensor
    first_bias: Tensor
    second: Tensor
    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, layer: EncoderLayer, device: torch.device, dtype: torch.dtype) -> LayerWeights:
        """Return those of a layer, which is not changed, for a device in a type."""

        def place(weight: Tensor) -> Tensor:
            return weight.detach().to(device, dtype).contiguous()

        first: Any = layer.mlp[0]
        second: Any = layer.mlp[2]
        of_tokens, of_message = first.weight.chunk(2, dim=1)
        return cls(
            query=place(layer.q_proj.weight),
            key=place(layer.k_proj.weight),
            value=place(layer.v_proj.weight),
            merge=place(_centred(layer.merge.weight)),
            first=place(torch.cat([of_tokens, of_message * layer.norm1.weight], dim=1)),
            first_bias=place(of_message @ layer.norm1.bias),
            second=place(_centred(second.weight)),
            scale=layer.norm2.weight.detach().to(device),
            shift=layer.norm2.bias.detach().to(device),
        )


class FastEncoderLayer:
    """What an ``EncoderLayer`` computes, without masks.

    Args:
        layer: where the weights come from; it is not changed.
        kernels: to compute with, on ``device`` in ``dtype``.
        device: where the weights are put.
        dtype: their type.
    """

    def __init__(
        self, layer: EncoderLayer, kernels: Kernels, device: torch.device, dtype: torch.dtype
    ) -> None:
        dim = layer.q_proj.in_features
        self._kernels, self._dtype = kernels, dtype
        self._heads = layer.heads
        self._weights = LayerWeights.of(layer, device, dtype)
        self._same_head = torch.block_diag(
            *[torch.ones(dim // layer.heads, dim // layer.heads)] * layer.heads
        ).to(device, dtype)

    def __call__(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Return ``tokens`` (B, L, C) after they attended to ``source`` (B, S, C).

        Both are float32 in any precision: what every layer adds to would lose by rounding what
        the layers before it found.
        """
        linear, normalise = self._kernels.linear, self._kernels.normalise
        by = self._weights
        short, short_source = tokens.to(self._dtype), source.to(self._dtype)
        query = linear(short, by.query)
        key, value = linear(short_source, by.key), linear(short_source, by.value)
        message = normalise(linear(self._attend(query, key, value), by.merge))
        hidden = torch.cat([short, message], dim=2)
        hidden = linear(hidden, by.first, by.first_bias, 'relu')
        change = normalise(linear(hidden, by.second))
        return torch.addcmul(by.shift, change.float(), by.scale).add_(tokens)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if query.shape[2] < _NARROW:
            return self._attend_at_once(query, key, value)
        if self._dtype == torch.float32:
            return self._attend_by_head(query, key, value)
        attended = linear_attention(*(self._split(x) for x in (query, key, value)))
        return attended.transpose(1, 2).flatten(2)

    def _attend_by_head(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend in float32, where sums over any number of tokens need not be made means."""
        query, key = self._kernels.feature_map(query), self._kernels.feature_map(key)
        summary = self._split(key).transpose(2, 3) @ self._split(value)
        weights = (query * key.sum(dim=1, keepdim=True)).unflatten(2, (self._heads, -1))
        normaliser = weights.sum(dim=3, keepdim=True).add_(1e-6)
        return (self._split(query) @ summary).transpose(1, 2).div_(normaliser).flatten(2)

    def _split(self, x: Tensor) -> Tensor:
        """Return (B, L, C) as (B, heads, L, C / heads)."""
        return x.unflatten(2, (self._heads, -1)).transpose(1, 2)

    def _attend_at_once(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend with products of full width, of which only those within a head are kept.

        A head of a few channels is too small a matrix to be worth a product of its own.
        """
        query, key = self._kernels.feature_map(query), self._kernels.feature_map(key)
        summary = (key.transpose(1, 2) @ value).mul_(self._same_head)
        total = key.sum(dim=1, keepdim=True)
        normaliser = self._kernels.linear(query * total, self._same_head).add_(1e-6)
        return (query @ summary).div_(normaliser)


class FastTransformer:
    """What a ``LocalFeatureTransformer`` computes, without masks.

    Args:
        layers: as many as it has, each a function of tokens and their source like
            ``FastEncoderLayer``.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers

    @classmethod
    def plain(
        cls,
        transformer: LocalFeatureTransformer,
        kernels: Kernels,
        device: torch.device,
        dtype: torch.dtype,
    ) -> FastTransformer:
        """Return one of ``FastEncoderLayer``; see there."""
        return cls(
            [
                FastEncoderLayer(layer, kernels, device, dtype)  # type: ignore[arg-type]
                for layer in transformer.layers
            ]
        )

    def begin(self, tokens: Tensor) -> Tensor:
        """Return (B, L, C) tokens after the first self-attention, which sees no other picture."""
        return self.layers[0](tokens, tokens)

    def finish(self, tokens0: Tensor, tokens1: Tensor) -> tuple[Tensor, Tensor]:
        """Condition (B, L, C) and (B, S, C) tokens, which ``begin`` gave, on each other."""
        tokens0, tokens1 = self._cross(self.layers[1], tokens0, tokens1)
        for self_layer, cross_layer in zip(self.layers[2::2], self.layers[3::2], strict=True):
            if tokens0.shape == tokens1.shape:
                both = torch.cat([tokens0, tokens1])
                tokens0, tokens1 = self_layer(both, both).chunk(2)
            else:
                tokens0, tokens1 = (self_layer(each, each) for each in (tokens0, tokens1))
            tokens0, tokens1 = self._cross(cross_layer, tokens0, tokens1)
        return tokens0, tokens1

    @staticmethod
    def _cross(layer: Layer, tokens0: Tensor, tokens1: Tensor) -> tuple[Tensor, Tensor]:
        tokens0 = layer(tokens0, tokens1)
        return tokens0, layer(tokens1, tokens0)


def _centred(weight: Tensor) -> Tensor:
    """Take the mean over the outputs (O, I) off, as the norm that follows would."""
    return weight - weight.mean(dim=0, keepdim=True)
