# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How a process of ours has the C library keep memory between frames."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

# Numbers and meaning: man 3 mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# Bytes. Larger blocks than a frame needs; and what may lie unused at the heap's end.
_LARGEST_BLOCK, _MOST_UNUSED = 32 << 20, 64 << 20


def keep_memory_between_frames() -> bool:
    """Have glibc keep what a frame frees for the next one, in one place.

    To be called by a program of ours before it starts threads, and not by a library: it holds for
    the whole process.

    By default each thread that allocates gets an arena of its own, and holes in one are of no use
    to the others: the process has several times what is in use. And large blocks go back to the
    system at once, so that each frame gets its arrays page by page anew. One arena serves here
    without contention, since the network computes in one thread (docs/benchmarks.md has figures).

    What the user has set in the environment (man 3 mallopt, GLIBC_TUNABLES) is left. With another
    C library nothing is done.

    Returns:
        Whether it was done.
    """
    tunables = os.environ.get('GLIBC_TUNABLES', '')
    if 'glibc.malloc' in tunables or any(name.startswith('MALLOC_') for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = (
        (_M_ARENA_MAX, 1),
        (_M_MMAP_THRESHOLD, _LARGEST_BLOCK),
        (_M_TRIM_THRESHOLD, _MOST_UNUSED),
    )
    # A list, so that one that is refused does not keep the others from being set.
    return all([bool(mallopt(number, value)) for number, value in settings])


def resident_memory() -> int | None:
    """Return the bytes of memory that the process has; None where /proc does not tell."""
    try:
        pages = int(Path('/proc/self/statm').read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf('SC_PAGE_SIZE')
