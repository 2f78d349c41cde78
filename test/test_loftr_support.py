# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Which matches the cells around support, against a count of one cell after the other."""

import pytest
import torch

from loftr_vo.loftr.support import count_support


def reference_support(partner, valid, grid0, columns1):
    rows, columns = grid0
    counts = []
    for cell in range(rows * columns):
        row, column = divmod(cell, columns)
        count = 0
        for down in range(-2, 3):
            for right in range(-2, 3):
                r, c = row + down, column + right
                other = r * columns + c
                if (down, right) == (0, 0) or not (0 <= r < rows and 0 <= c < columns):
                    continue
                if not (valid[cell] and valid[other]):
                    continue
                row1, column1 = divmod(partner[cell], columns1)
                other_row1, other_column1 = divmod(partner[other], columns1)
                count += (
                    abs(other_row1 - row1 - down) <= 2
                    and abs(other_column1 - column1 - right) <= 2
                )
        counts.append(count)
    return counts


@pytest.mark.parametrize(
    ('grid0', 'grid1'), [((6, 9), (6, 9)), ((9, 7), (5, 8)), ((1, 4), (3, 3))]
)
def test_counts_what_one_cell_after_the_other_counts(grid0, grid1):
    generator = torch.Generator().manual_seed(0)
    cells = grid0[0] * grid0[1]
    partner = torch.randint(grid1[0] * grid1[1], (2, cells), generator=generator)
    valid = torch.rand(2, cells, generator=generator) < 0.8
    support = count_support(partner, valid, grid0, grid1[1])
    expected = [
        reference_support(*(each.tolist() for each in pair), grid0, grid1[1])
        for pair in zip(partner, valid, strict=True)
    ]
    assert support.tolist() == expected
    assert support.max() > 0


def whole_grid(rows, columns):
    return torch.arange(rows * columns)[None], torch.ones(1, rows * columns, dtype=torch.bool)


def test_all_around_support_a_shift_and_none_what_is_scattered():
    cells, valid = whole_grid(10, 12)
    assert count_support(cells, valid, (10, 12), 12).view(10, 12)[2:-2, 2:-2].eq(24).all()
    scattered = cells[:, torch.randperm(120, generator=torch.Generator().manual_seed(0))]
    assert count_support(scattered, valid, (10, 12), 12).float().mean() < 4


@pytest.mark.parametrize('turned', [lambda x: x.rot90(1, (1, 2)), lambda x: x.rot90(2, (1, 2))])
def test_the_nearest_support_a_picture_that_is_turned(turned):
    cells, valid = whole_grid(10, 10)
    partner = turned(cells.view(1, 10, 10)).flatten(1)
    assert count_support(partner, valid, (10, 10), 10).view(10, 10)[1:-1, 1:-1].min() >= 8


def test_the_nearest_support_a_picture_three_times_as_large():
    cells, valid = whole_grid(10, 12)
    partner = 3 * (cells // 12) * 36 + 3 * (cells % 12)
    assert count_support(partner, valid, (10, 12), 36).view(10, 12)[1:-1, 1:-1].min() >= 8
