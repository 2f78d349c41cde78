# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How the process keeps memory between frames, and when it gives some back."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

# Numbers and meaning: man 3 mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK, _MOST_KEPT = 1 << 30, (1 << 31) - 1
# Bytes of growth after which holes are given back. It takes a frame's time, so not every second.
_GROWTH = 768 << 20


class CpuMemory:
    """Has the C library keep what is freed, for the next frame to use, but not ever more of it.

    By default glibc returns large blocks to the system at once. Each frame then gets its arrays
    page by page anew, which for a network of this size is a quarter of the time on a CPU. The
    process holds on to what it used instead.

    Before version 2.38, glibc does not find the holes again that aligned blocks leave (its bug
    14581), and PyTorch's are all aligned: the process grows to several times what is in use. So
    when it has grown by much, what is free goes back to the system after all.

    With another C library than glibc nothing is done.

    Args:
        growth: bytes by which the process may grow before that happens.
    """

    def __init__(self, growth: int = _GROWTH) -> None:
        self._growth = growth
        self._least: int | None = None
        self._trim: Any = None
        try:
            library = ctypes.CDLL(None)
            mallopt, trim = library.mallopt, library.malloc_trim
        except (AttributeError, OSError, TypeError):
            return
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)
        self._trim = trim

    def trim(self) -> bool:
        """Give back what is free, if the process has grown by much since that was last done.

        Returns:
            Whether it was done.
        """
        resident = None if self._trim is None else resident_memory()
        if resident is None:
            return False
        if self._least is None or resident < self._least:
            self._least = resident
        if resident < self._least + self._growth:
            return False
        self._trim(0)
        self._least = resident_memory()
        return True


def resident_memory() -> int | None:
    """Return the bytes of memory that the process has; None where /proc does not tell."""
    try:
        pages = int(Path('/proc/self/statm').read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf('SC_PAGE_SIZE')
