# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The correction of fine matches: its volume, what it learns, and its inference."""

import pytest
import torch
from used_modules import used

from loftr_vo.loftr import LoFTR, LoFTRConfig
from loftr_vo.loftr.correlation_head import CorrelationHead, corrected, correlation_volume
from loftr_vo.loftr.fast.correlation import FastCorrelationHead
from loftr_vo.loftr.fast.kernels import choose_kernels
from loftr_vo.loftr.fast.torch_kernels import Kernels
from loftr_vo.loftr.fine_matching import expected_offset

CPU = torch.device('cpu')


@pytest.fixture
def windows():
    torch.manual_seed(0)
    return torch.randn(7, 25, 16), torch.randn(7, 25, 16)


def test_the_volume_has_every_point_with_every_point(windows):
    volume = correlation_volume(*windows).view(7, 25, 25)
    for match, here, there in ((0, 0, 0), (3, 12, 7), (6, 24, 20)):
        row = [windows[0][match, here] @ point / 4 for point in windows[1][match]]
        expected = row[there] - sum(row) / 25
        assert volume[match, here, there].item() == pytest.approx(expected.item(), abs=1e-5)


def test_a_new_head_changes_nothing(windows):
    found = expected_offset(*windows)
    for before, after in zip(found, CorrelationHead(5, 8)(*windows, *found), strict=True):
        assert torch.equal(before, after)


def test_places_are_moved_in_their_own_unit_and_spreads_scaled():
    correction = torch.tensor([[0.5, -1.0, 0.0], [0.0, 0.0, 2.0]])
    places, spread = corrected(torch.ones(1, 2, 2), torch.ones(1, 2), correction, unit=2.0)
    assert places[0].tolist() == [[2.0, -1.0], [1.0, 1.0]]
    assert spread[0].tolist() == pytest.approx([1.0, 7.389], abs=1e-3)


def test_it_learns_more_than_the_expectation():
    """Windows of one texture, moved: the expectation of one point is drawn to the middle."""
    torch.manual_seed(0)
    head = CorrelationHead(5, 32)
    optimizer = torch.optim.Adam(head.parameters(), 3e-3)

    def draw(count):
        world, offset = torch.randn(count, 7, 7, 4), torch.randint(-1, 2, (count, 2))
        row = torch.arange(5)
        there = [1 + row + offset[:, axis, None] for axis in (1, 0)]
        match = torch.arange(count)[:, None, None]
        second = world[:, 1:6, 1:6].flatten(1, 2)
        first = world[match, there[0][:, :, None], there[1][:, None, :]].flatten(1, 2)
        return first, second, offset.float()

    def errors(count):
        first, second, offset = draw(count)
        found = expected_offset(first, second)
        places, _ = head(first, second, *found)
        return (places - offset).norm(dim=1), (found[0] - offset).norm(dim=1)

    for _ in range(300):
        optimizer.zero_grad()
        errors(128)[0].mean().backward()
        optimizer.step()
    with torch.no_grad():
        ours, without = errors(500)
    assert ours.median() < 0.3 * without.median()


@pytest.mark.parametrize('by', [Kernels(), choose_kernels(CPU, torch.float32)])
@pytest.mark.parametrize('rows', [None, 32])
def test_inference_says_what_the_head_says(windows, rows, by):
    with torch.inference_mode():
        head = used(CorrelationHead(5, 24))
        volume = correlation_volume(*windows)
        given = volume
        if rows is not None:
            given = torch.full((7, rows, rows), 1e3)
            given[:, :25, :25] = volume.view(7, 25, 25)
        fast = FastCorrelationHead(head, by, CPU, torch.float32, rows)
        torch.testing.assert_close(fast(given.flatten(1)), head.layers(volume))


def test_the_published_networks_have_none():
    assert LoFTR(LoFTRConfig.outdoor()).correlation_head is None
    assert not [key for key in LoFTR(LoFTRConfig.indoor_new()).state_dict() if 'corr' in key]
