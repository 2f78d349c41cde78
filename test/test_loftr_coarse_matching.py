# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The selection of coarse matches, against the paper's formula written out."""

import pytest
import torch

from loftr_vo.loftr.coarse_matching import (
    dual_softmax_reference,
    inside_border,
    log_partitions,
    select_matches,
    similarity,
)


def random_logits(rows, columns, scale, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(batch, rows, columns, generator=generator)


def everywhere(logits):
    batch, rows, columns = logits.shape
    return (
        torch.ones(batch, 1, rows, dtype=torch.bool),
        torch.ones(batch, 1, columns, dtype=torch.bool),
    )


def reference_matches(logits, inside0, inside1, threshold):
    """Mutual nearest neighbours as equalities over the whole confidence matrix."""
    confidence = dual_softmax_reference(logits.double())
    mutual = confidence == confidence.amax(dim=2, keepdim=True)
    mutual &= confidence == confidence.amax(dim=1, keepdim=True)
    chosen = mutual & (confidence > threshold)
    chosen &= inside0.flatten(1)[:, :, None] & inside1.flatten(1)[:, None, :]
    return {
        (b, i, j): confidence[b, i, j].item()
        for b, i, j in zip(*(ids.tolist() for ids in torch.where(chosen)), strict=True)
    }


def as_dict(matches):
    batch = torch.arange(len(matches.valid))[:, None].expand_as(matches.valid)
    columns = (batch, matches.cells0, matches.cells1, matches.confidence)
    rows = zip(*(column[matches.valid].tolist() for column in columns), strict=True)
    return {(b, i, j): confidence for b, i, j, confidence in rows}


@pytest.mark.parametrize('scale', [0.5, 5.0, 300.0])
@pytest.mark.parametrize(('rows', 'columns'), [(200, 150), (64, 130), (37, 90)])
def test_selects_what_the_formula_selects(rows, columns, scale):
    logits = random_logits(rows, columns, scale, batch=2)
    generator = torch.Generator().manual_seed(1)
    inside0, inside1 = (torch.rand(m.shape, generator=generator) < 0.8 for m in everywhere(logits))
    threshold = 1e-6
    expected = reference_matches(logits, inside0, inside1, threshold)
    selected = as_dict(select_matches(logits, inside0, inside1, threshold, rows))
    assert len(expected) > 10
    assert selected.keys() == expected.keys()
    assert selected == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_partitions_are_log_sum_exps_in_any_range():
    logits = random_logits(130, 70, 200.0)
    rows, columns = log_partitions(logits)
    torch.testing.assert_close(rows, logits.logsumexp(2, keepdim=True))
    torch.testing.assert_close(columns, logits.logsumexp(1, keepdim=True))


def test_keeps_the_most_confident_in_order():
    logits = random_logits(100, 100, 5.0)
    everything = select_matches(logits, *everywhere(logits), 1e-6, 100)
    few = select_matches(logits, *everywhere(logits), 1e-6, 7)
    assert everything.valid.sum() > 7
    assert few.cells0.shape == (1, 7)
    assert torch.equal(few.cells0, everything.cells0[:, :7])
    assert (few.confidence.diff(dim=1) <= 0).all()


def test_rows_beyond_the_matches_are_filling():
    logits = torch.full((1, 10, 10), -50.0)
    logits[0, 3, 4] = 50.0
    matches = select_matches(logits, *everywhere(logits), 0.5, 8)
    assert matches.valid.tolist() == [[True] + [False] * 7]
    assert (matches.cells0[0, 0], matches.cells1[0, 0]) == (3, 4)
    assert (matches.confidence[0, 1:] == 0).all()


def test_only_matches_that_others_support_are_kept():
    logits = torch.full((1, 30, 30), -50.0)
    # Cells 0 to 9 of the five by six have themselves for partners; cell 29 is alone.
    for cell in (*range(10), 29):
        logits[0, cell, cell] = 50.0
    inside = torch.ones(1, 5, 6, dtype=torch.bool)
    everything = select_matches(logits, inside, inside, 0.5, 30)
    assert sorted(everything.cells0[everything.valid].tolist()) == [*range(10), 29]
    supported = select_matches(logits, inside, inside, 0.5, 30, min_support=1)
    assert sorted(supported.cells0[supported.valid].tolist()) == [*range(10)]
    assert (supported.confidence[~supported.valid] == 0).all()


def test_ties_put_no_cell_into_two_matches():
    matches = select_matches(
        torch.zeros(1, 100, 80), *everywhere(torch.zeros(1, 100, 80)), 0.0, 100
    )
    assert matches.valid.sum() == 1
    assert (matches.cells0[0, 0], matches.cells1[0, 0]) == (0, 0)


def test_similarity_is_scaled_and_masked():
    generator = torch.Generator().manual_seed(0)
    tokens0 = torch.randn(1, 6, 16, generator=generator)
    tokens1 = torch.randn(1, 8, 16, generator=generator)
    mask1 = torch.ones(1, 2, 4, dtype=torch.bool)
    mask1[..., -1] = False
    logits = similarity(tokens0, tokens1, 0.1, mask1=mask1)
    expected = torch.einsum('blc,bsc->bls', tokens0 / 4, tokens1 / 4) / 0.1
    kept = mask1.flatten()
    torch.testing.assert_close(logits[:, :, kept], expected[:, :, kept])
    assert (dual_softmax_reference(logits)[:, :, ~kept] == 0).all()


def test_similarity_of_half_precision_tokens_is_float32():
    tokens = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    logits = similarity(tokens, tokens, 0.1)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, similarity(tokens.float(), tokens.float(), 0.1))


def test_border_is_counted_from_the_end_of_the_picture():
    coarse = torch.zeros(2, 3, 7, 9)
    mask = torch.ones(2, 7, 9, dtype=torch.bool)
    mask[1, 5:, :] = False
    mask[1, :, 6:] = False
    inside = inside_border(coarse, 2, mask)
    assert inside[0].nonzero().amin(0).tolist() == [2, 2]
    assert inside[0].nonzero().amax(0).tolist() == [4, 6]
    assert inside[0].sum() == 3 * 5
    assert inside[1].nonzero().tolist() == [[2, 2], [2, 3]]
    assert torch.equal(inside_border(coarse, 2)[0], inside[0])
