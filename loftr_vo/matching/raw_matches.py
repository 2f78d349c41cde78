# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The network's matches of one pair, converted to numpy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from loftr_vo.loftr.model import RawMatches

COLUMNS = 7


class PairMatches(NamedTuple):
    """N matches of one pair, on the host, in pixels of the resized pictures.

    Attributes:
        cells0: (N,) int64, row-major coarse cell in the first picture.
        cells1: (N,) int64, row-major coarse cell in the second picture.
        confidence: (N,) float32 in [0, 1].
        keypoints1: (N, 2) float32, x and y in the second picture.
        spread: (N,) float32, standard deviation of ``keypoints1``; see ``Matches``.
    """

    cells0: np.ndarray
    cells1: np.ndarray
    confidence: np.ndarray
    keypoints1: np.ndarray
    spread: np.ndarray


def valid_matches(raw: RawMatches) -> PairMatches:
    """Return the matches of a batch of one pair on the CPU, without the invalid rows."""
    valid = raw.valid[0].numpy()
    cells0, cells1, confidence, keypoints1, spread = (
        rows[0].numpy()[valid]
        for rows in (raw.cells0, raw.cells1, raw.confidence, raw.keypoints1, raw.spread)
    )
    return PairMatches(cells0, cells1, confidence, keypoints1, spread)


def pack(raw: RawMatches) -> Tensor:
    """Return one pair's matches as one tensor (7, K) float32, for one copy to the host.

    Cells are whole numbers far below 2^24, which float32 holds exactly.
    """
    return torch.cat(
        [
            torch.stack([rows[0].float() for rows in raw[:4]]),
            raw.keypoints1[0].T,
            raw.spread,
        ]
    )


def unpack(packed: np.ndarray) -> PairMatches:
    """Return a copy of packed matches, without the invalid rows; the inverse of ``pack``."""
    kept = packed.take(np.flatnonzero(packed[3]), axis=1)
    cells = kept[:2].astype(np.int64)
    return PairMatches(cells[0], cells[1], kept[2], kept[4:6].T, kept[6])
