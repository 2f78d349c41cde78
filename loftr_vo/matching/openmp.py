# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How long PyTorch's OpenMP threads spin before they sleep."""

from __future__ import annotations

import os

from loftr_vo.matching.tuning import TUNING


def wait_briefly() -> None:
    """Let waiting OpenMP threads sleep soon; call it before PyTorch is imported.

    By default they spin for milliseconds. Where another program occupies the core of one thread,
    all others spin until it is done, and a frame takes several times as long (docs/benchmarks.md).
    Values that the user has set in the environment are kept.
    """
    if not os.environ.keys() & {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'}:
        os.environ['GOMP_SPINCOUNT'] = str(TUNING.openmp_spins)
