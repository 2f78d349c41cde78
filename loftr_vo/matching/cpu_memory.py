# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of glibc's allocator that keep memory between frames."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

from loftr_vo.matching.tuning import TUNING

# Numbers and meaning: man 3 mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def keep_memory_between_frames() -> bool:
    """Configure glibc to reuse freed memory for the next frame, in one arena.

    It holds for the whole process, so it is called by this package's programs before they start
    threads, and never by the library.

    By default each thread that allocates has its own arena, and free blocks in one cannot serve
    another: the process takes several times the memory in use. Large blocks are returned to the
    system at once, so that each frame faults in its pages again. One arena causes no contention
    here, since the network computes in one thread. Figures are in docs/benchmarks.md.

    Values that the user has set in the environment (man 3 mallopt, GLIBC_TUNABLES) are kept. With
    another C library nothing is done.

    Returns:
        Whether all was set.
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
        (_M_MMAP_THRESHOLD, TUNING.largest_heap_block),
        (_M_TRIM_THRESHOLD, TUNING.most_unused_heap),
    )
    # A list, so that one that is refused does not keep the others from being set.
    return all([bool(mallopt(number, value)) for number, value in settings])


def return_unused_memory() -> None:
    """Return free pages in the middle of the heap to the system; with another C library nothing.

    Blocks that live long lie between those of one frame, and over an hour the heap grows around
    the holes. All threads that allocate wait meanwhile, 20 ms for a heap of 300 MiB.
    """
    # musl has no malloc_trim.
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_memory() -> int | None:
    """Return the process's resident memory in bytes, or None where there is no /proc."""
    try:
        pages = int(Path('/proc/self/statm').read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf('SC_PAGE_SIZE')
