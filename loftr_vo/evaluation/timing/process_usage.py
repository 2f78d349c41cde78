# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of another process, from Linux's proc(5)."""

from __future__ import annotations

import os
import time
from pathlib import Path

_NOT_KNOWN = float('nan')


class ProcessUsage:
    """CPU time and memory of a process from now on; NaN where the system has no figure.

    Args:
        pid: of the process.
    """

    def __init__(self, pid: int) -> None:
        self._folder = Path('/proc') / str(pid)
        self._start = time.monotonic()
        self._before = self._cpu_seconds()

    def cpu_percent(self) -> float:
        """CPU time since the start by wall time, of all its threads; 200 is two cores."""
        spent = self._cpu_seconds() - self._before
        return 100 * spent / max(time.monotonic() - self._start, 1e-9)

    def rss_mib_max(self) -> float:
        """Most memory that it had at once, in MiB."""
        try:
            lines = (self._folder / 'status').read_text(encoding='ascii').splitlines()
        except OSError:
            return _NOT_KNOWN
        peaks = [line.split()[1] for line in lines if line.startswith('VmHWM:')]
        return int(peaks[0]) / 1024 if peaks else _NOT_KNOWN

    def _cpu_seconds(self) -> float:
        try:
            text = (self._folder / 'stat').read_text(encoding='utf-8')
        except OSError:
            return _NOT_KNOWN
        # The second field is the name, in brackets, and may hold anything.
        fields = text.rpartition(')')[2].split()
        user, system = int(fields[11]), int(fields[12])
        return (user + system) / os.sysconf('SC_CLK_TCK')
