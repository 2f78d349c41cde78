# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How PyTorch's threads wait for each other, on a machine that others use too."""

from __future__ import annotations

import os

# Turns of the loop in which a thread of GNU OpenMP waits before it sleeps.
_SPINS = '1000'


def wait_briefly() -> None:
    """Have OpenMP's threads sleep soon when they wait; call it before PyTorch is imported.

    By default they turn for milliseconds, in the hope that the others are about to be done. Where
    another program has the core that one of those needs, all of them burn their time: a frame then
    takes several times as long (docs/benchmarks.md). What the user has set is left.
    """
    if not os.environ.keys() & {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'}:
        os.environ['GOMP_SPINCOUNT'] = _SPINS
