# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The transformer that conditions the features of two pictures on each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_mask: Tensor | None = None,
    key_mask: Tensor | None = None,
) -> Tensor:
    """Attend in time linear in the number of tokens (Katharopoulos et al., ICML 2020).

    The softmax kernel is replaced by phi(q) . phi(k) with phi(x) = elu(x) + 1, so that keys and
    values are summed once for all queries. The sums are taken as means: they stay in the range of
    float16 for any number of tokens, and the number cancels in the quotient.

    Args:
        query: (B, H, L, D).
        key: (B, H, S, D).
        value: (B, H, S, D).
        query_mask: (B, L) bool, False at padding; what is returned there is zero.
        key_mask: (B, S) bool, False at padding, which is not attended to.

    Returns:
        (B, H, L, D), of the type of ``query``.
    """
    count = key.shape[2]
    query = F.elu(query) + 1
    # Keys and values share the 1/count: all on the values would make them subnormal in float16.
    key = (F.elu(key) + 1) * count**-0.5
    value = value * count**-0.5
    if query_mask is not None:
        query = query * query_mask[:, None, :, None]
    if key_mask is not None:
        key = key * key_mask[:, None, :, None]
    summary = key.transpose(2, 3) @ value
    mean_key = (key.sum(dim=2, dtype=torch.float32) * count**-0.5).to(key.dtype)
    normaliser = (query @ mean_key[..., None]).float() + 1e-6 / count
    return ((query @ summary).float() / normaliser).to(query.dtype)


class EncoderLayer(nn.Module):
    """Attention from one set of tokens to another, then a feed-forward network, as a residual."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.merge = nn.Linear(dim, dim, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * dim, 2 * dim, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(2 * dim, dim, bias=False),
        )
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        tokens: Tensor,
        source: Tensor,
        mask: Tensor | None = None,
        source_mask: Tensor | None = None,
    ) -> Tensor:
        """Return ``tokens`` (B, L, C) after they attended to ``source`` (B, S, C).

        The masks, (B, L) and (B, S) bool, are False at padding.
        """
        message = linear_attention(
            self._split(self.q_proj(tokens)),
            self._split(self.k_proj(source)),
            self._split(self.v_proj(source)),
            mask,
            source_mask,
        )
        message = self.norm1(self.merge(message.transpose(1, 2).flatten(2)))
        return tokens + self.norm2(self.mlp(torch.cat([tokens, message], dim=2)))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)


class LocalFeatureTransformer(nn.Module):
    """Alternating self- and cross-attention between the tokens of two pictures.

    Args:
        dim: channels of a token.
        heads: attention heads.
        pairs: how many times self-attention and cross-attention follow each other.
    """

    def __init__(self, dim: int, heads: int, pairs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([EncoderLayer(dim, heads) for _ in range(2 * pairs)])

    def forward(
        self,
        tokens0: Tensor,
        tokens1: Tensor,
        mask0: Tensor | None = None,
        mask1: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Condition (B, L, C) and (B, S, C) tokens on each other; masks are False at padding."""
        for self_layer, cross_layer in zip(self.layers[::2], self.layers[1::2], strict=True):
            tokens0 = self_layer(tokens0, tokens0, mask0, mask0)
            tokens1 = self_layer(tokens1, tokens1, mask1, mask1)
            tokens0 = cross_layer(tokens0, tokens1, mask0, mask1)
            # As published, the second picture attends to the first one as just updated.
            tokens1 = cross_layer(tokens1, tokens0, mask1, mask0)
        return tokens0, tokens1
