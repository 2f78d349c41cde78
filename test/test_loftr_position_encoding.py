# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The position encoding, as it was released and as it was meant."""

import math

import pytest

from loftr_vo.loftr.position_encoding import position_encoding


@pytest.mark.parametrize('corrected', [False, True])
def test_channels_are_sines_of_column_and_row(corrected):
    encoding = position_encoding(64, 5, 7, corrected=corrected)
    assert encoding.shape == (64, 5, 7)
    row, column, k = 3, 6, 2
    # The released code divides log(1e4) by 64 and floor-divides by 2: -1 per channel pair.
    slope = -math.log(1e4) / 32 if corrected else (-math.log(1e4) / 64) // 2
    frequency = math.exp(2 * k * slope)
    expected = [
        math.sin(frequency * (column + 1)),
        math.cos(frequency * (column + 1)),
        math.sin(frequency * (row + 1)),
        math.cos(frequency * (row + 1)),
    ]
    assert encoding[4 * k : 4 * k + 4, row, column].tolist() == pytest.approx(expected, abs=1e-5)


def test_a_cell_keeps_its_encoding_in_a_larger_map():
    small = position_encoding(16, 4, 6, corrected=True)
    large = position_encoding(16, 9, 8, corrected=True)
    assert (large[:, :4, :6] == small).all()
