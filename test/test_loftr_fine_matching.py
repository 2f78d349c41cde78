# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Fine windows and the sub-pixel expectation."""

import pytest
import torch
from torch.nn import functional as F

from loftr_vo.loftr.fine_matching import cut_windows, expected_offset


def test_windows_are_those_of_an_unfolding():
    fine = torch.randn(2, 6, 24, 32, generator=torch.Generator().manual_seed(0))
    unfolded = F.unfold(fine, 5, stride=4, padding=2).unflatten(1, (6, 25)).permute(0, 3, 2, 1)
    cells = torch.stack([torch.arange(48), torch.arange(48).flip(0)])
    windows = cut_windows(fine, cells, size=5, cells_per_row=8)
    assert torch.equal(windows, unfolded.gather(1, cells[..., None, None].expand_as(windows)))


def windows_that_correlate(weights):
    """Return windows whose heatmap is the softmax of ``weights`` (25,)."""
    windows0 = torch.zeros(1, 25, 4)
    windows0[0, 12, 0] = 1.0
    windows1 = torch.zeros(1, 25, 4)
    windows1[0, :, 0] = 2.0 * weights  # sqrt(4 channels) is divided out again
    return windows0, windows1


def test_offset_is_the_mean_of_the_heatmap():
    weights = torch.full((25,), -100.0)
    # Row 1 holds one part and row 2 three parts, both in column 4: x = 2, y = -1/4.
    weights[1 * 5 + 4], weights[2 * 5 + 4] = 0.0, torch.log(torch.tensor(3.0))
    offset, spread = expected_offset(*windows_that_correlate(weights))
    assert offset[0].tolist() == pytest.approx([2.0, -0.25], abs=1e-5)
    assert spread.item() == pytest.approx((0.25 * 0.75) ** 0.5, abs=1e-5)


def test_the_spread_is_smaller_for_a_sure_match():
    sure = torch.zeros(25)
    sure[12] = 100.0
    assert expected_offset(*windows_that_correlate(sure))[1].item() < 0.01
    # A uniform heatmap has variance 2 along each axis.
    assert expected_offset(*windows_that_correlate(torch.zeros(25)))[1].item() == pytest.approx(2)


def test_gradient_is_finite_where_all_weight_is_on_one_cell():
    weights = torch.zeros(25)
    weights[12] = 1000.0
    windows0, windows1 = windows_that_correlate(weights)
    windows1.requires_grad_()
    offset, spread = expected_offset(windows0, windows1)
    (offset.sum() + spread.sum()).backward()
    assert windows1.grad.isfinite().all()
