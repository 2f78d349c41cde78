# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Linear attention and the transformer built on it."""

import pytest
import torch
from torch.nn import functional as F

from loftr_vo.loftr.transformer import LocalFeatureTransformer, linear_attention


def quadratic_attention(query, key, value):
    """The same attention with its (L, S) matrix of weights written out."""
    weights = (F.elu(query) + 1) @ (F.elu(key) + 1).transpose(2, 3)
    return weights @ value / weights.sum(dim=3, keepdim=True)


def random_tokens(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_equals_attention_written_out():
    query, key, value = (random_tokens(2, 4, n, 8, seed=n) for n in (30, 50, 50))
    torch.testing.assert_close(
        linear_attention(query, key, value), quadratic_attention(query, key, value)
    )


def test_padding_is_not_attended_to_and_gives_zero():
    query, key, value = (random_tokens(1, 2, n, 8, seed=n) for n in (30, 40, 40))
    query_mask = torch.arange(30)[None] < 20
    key_mask = torch.arange(40)[None] < 25
    attended = linear_attention(query, key, value, query_mask, key_mask)
    torch.testing.assert_close(
        attended[:, :, :20],
        linear_attention(query[:, :, :20], key[:, :, :25], value[:, :, :25]),
    )
    assert (attended[:, :, 20:] == 0).all()


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float16, 2e-3), (torch.bfloat16, 1e-2)])
def test_half_precision_survives_the_tokens_of_a_vga_picture(dtype, tolerance):
    query, key, value = (random_tokens(1, 2, 4800, 32, seed=n) for n in range(3))
    unscaled = (F.elu(query) + 1) @ (F.elu(key) + 1).sum(dim=2)[..., None]
    assert unscaled.mean() > torch.finfo(torch.float16).max, 'the case is not the hard one'
    attended = linear_attention(query.to(dtype), key.to(dtype), value.to(dtype))
    assert attended.dtype == dtype
    expected = linear_attention(query, key, value)
    torch.testing.assert_close(attended.float(), expected, atol=tolerance, rtol=1e-2)


def test_second_picture_attends_to_the_updated_first():
    torch.manual_seed(0)
    transformer = LocalFeatureTransformer(dim=16, heads=2, pairs=1).eval()
    tokens0, tokens1 = random_tokens(1, 12, 16), random_tokens(1, 9, 16, seed=1)
    with torch.inference_mode():
        self_layer, cross_layer = transformer.layers
        expected0 = self_layer(tokens0, tokens0)
        expected1 = self_layer(tokens1, tokens1)
        expected0 = cross_layer(expected0, expected1)
        expected1 = cross_layer(expected1, expected0)
        conditioned0, conditioned1 = transformer(tokens0, tokens1)
    torch.testing.assert_close(conditioned0, expected0)
    torch.testing.assert_close(conditioned1, expected1)
