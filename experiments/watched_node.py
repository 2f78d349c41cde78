# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The real node as a process of its own, whose terminal and resources are watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Line(NamedTuple):
    """A line of the terminal, and when it came, in seconds of the monotonic clock."""

    time: float
    text: str


class Resources(NamedTuple):
    """What a process holds: threads, open file descriptors, resident memory in MiB."""

    threads: int
    descriptors: int
    memory: float


class WatchedNode:
    """A running ``vo_node``.

    Args:
        parameters: of the node.
        namespace: of the node and its topics, without a slash.
        folder: that it works in.
    """

    def __init__(
        self, parameters: Mapping[str, Any], namespace: str = '', folder: Path | None = None
    ) -> None:
        words = ['-r', f'__ns:=/{namespace}'] if namespace else []
        for name, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words += ['-p', f'{name}:={text}']
        self.start = time.monotonic()
        self.lines: list[Line] = []
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'loftr_vo.ros.executables', 'vo_node', '--ros-args', *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors='backslashreplace',
            env={'OMP_NUM_THREADS': '1', **os.environ, 'PYTHONUNBUFFERED': '1'},
            cwd=folder,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            self.lines.append(Line(time.monotonic(), text.rstrip('\n')))

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def terminal(self, since: float = 0.0) -> str:
        """Return what the terminal has shown since a moment of the monotonic clock."""
        return '\n'.join(line.text for line in list(self.lines) if line.time >= since)

    def resources(self) -> Resources:
        """Return what the process holds at present; Linux only."""
        proc = Path('/proc', str(self.process.pid))
        pages = int((proc / 'statm').read_text().split()[1])
        return Resources(
            len(os.listdir(proc / 'task')),
            len(os.listdir(proc / 'fd')),
            pages * os.sysconf('SC_PAGE_SIZE') / 2**20,
        )

    def stop(self, number: int = signal.SIGINT, timeout: float = 20.0) -> tuple[int, float]:
        """Send a signal; return the exit code and the seconds until the end.

        Raises:
            subprocess.TimeoutExpired: it did not end.
        """
        start = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout)
        seconds = time.monotonic() - start
        self._reader.join(timeout)
        return code, seconds

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
