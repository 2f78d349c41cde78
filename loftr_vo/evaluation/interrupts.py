# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM in the command: no traceback, and exit codes as of a shell, 130 and 143."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, TypeVar

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Added to the number of the signal that ended a program, by every shell (POSIX, 2.8.2).
_BY_SIGNAL = 128
# Seconds between two checks whether the import that delays an interrupt is over.
_LATER = 0.02

_received: int | None = None
_results = 0
_deferring = False

_Thing = TypeVar('_Thing')


@contextlib.contextmanager
def interrupts_noted(to_the_end: bool = False) -> Iterator[None]:
    """Turn both signals into ``KeyboardInterrupt`` while the block runs, and note that they came.

    Noted, since an exception alone can get lost: libraries turn it into an error of their own,
    and in a finaliser Python drops it. See ``was_interrupted``.

    Args:
        to_the_end: ignore the signals after the block, in a process that ends with it; else what
            was done with them before is done again.
    """
    global _received
    _received = None
    # Python handles signals in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {number: signal.signal(number, _note) for number in _SIGNALS}
    earlier[signal.SIGALRM] = signal.signal(signal.SIGALRM, _raise_later)
    hook, sys.unraisablehook = sys.unraisablehook, _quiet_hook
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in earlier.items():
            signal.signal(number, signal.SIG_IGN if to_the_end else handler)
        if not to_the_end:
            sys.unraisablehook = hook
            _received = None


@contextlib.contextmanager
def results_kept() -> Iterator[None]:
    """Mark a block that has something to keep or to clean up when it is interrupted.

    In it an interrupt waits for an import to end; outside of it, it ends the process at once.
    """
    global _results
    _results += 1
    try:
        yield
    finally:
        _results -= 1


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Only note the first signal in a block, which looks for itself; see ``until_interrupted``.

    For work that must not be left half done. A second signal interrupts all the same.
    """
    global _deferring
    _deferring = True
    try:
        yield
    finally:
        _deferring = False


def until_interrupted(things: Iterable[_Thing]) -> Iterator[_Thing]:
    """Yield things until a signal has come."""
    for thing in things:
        if was_interrupted():
            return
        yield thing


def was_interrupted() -> bool:
    """Whether one of the signals has come since ``interrupts_noted`` began.

    Once this has returned True, no delayed interrupt follows.
    """
    if _received is None:
        return False
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    return True


def interrupted_exit_code() -> int:
    """Return the exit code of a program that a signal has ended; SIGINT's if none was noted."""
    return _BY_SIGNAL + (signal.SIGINT if _received is None else _received)


def _note(number: int, frame: FrameType | None) -> None:
    global _received
    first, _received = _received is None, number
    if not (first and _deferring):
        _raise_later(number, frame)


def _raise_later(_: int, frame: FrameType | None) -> None:
    """Raise the interrupt, but not during an import: the import would raise another error."""
    if not _is_importing(frame):
        raise KeyboardInterrupt
    if _results:
        signal.setitimer(signal.ITIMER_REAL, _LATER)
        return
    os.write(2, b'loftr_vo: interrupted\n')
    os._exit(interrupted_exit_code())


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith('<frozen importlib'):
            return True
        frame = frame.f_back
    return False


def _quiet_hook(unraisable: Any) -> None:
    """Print nothing for an interrupt during finalisation of an object: it is noted."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
