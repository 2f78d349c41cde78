# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Matches on their way to numpy: nothing lost, no filling kept, the same by both ways."""

import numpy as np
import pytest
import torch

from loftr_vo.loftr.model import RawMatches
from loftr_vo.matching.raw_matches import (
    COLUMNS,
    pack,
    unpack,
    valid_matches,
)

RAW = RawMatches(
    torch.tensor([[5, 16_000_001, 9]]),
    torch.tensor([[7, 3, 1]]),
    torch.tensor([[0.9, 0.5, 0.0]]),
    torch.tensor([[True, True, False]]),
    torch.tensor([[[1.5, 2.5], [3.25, 4.75], [5.0, 6.0]]]),
    torch.tensor([[0.1, 0.2, 0.3]]),
)
VALID = {
    'cells0': np.array([5, 16_000_001]),
    'cells1': np.array([7, 3]),
    'confidence': np.array([0.9, 0.5], np.float32),
    'keypoints1': np.array([[1.5, 2.5], [3.25, 4.75]], np.float32),
    'spread': np.array([0.1, 0.2], np.float32),
}


@pytest.mark.parametrize('way', [valid_matches, lambda raw: unpack(pack(raw).numpy())])
def test_what_is_valid_arrives_as_it_was(way):
    for name, values in way(RAW)._asdict().items():
        assert values.dtype == VALID[name].dtype
        assert np.array_equal(values, VALID[name])


def test_what_is_unpacked_outlives_the_memory_that_it_came_through():
    packed = pack(RAW).numpy()
    assert packed.shape == (COLUMNS, 3)
    pair = unpack(packed)
    packed[:] = -1
    for name, values in pair._asdict().items():
        assert np.array_equal(values, VALID[name])
