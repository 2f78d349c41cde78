# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that a command writes: shown, counted, and ended between two of them by a signal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from loftr_vo.datasets import Sequence
from loftr_vo.evaluation.interrupts import (
    interrupted_exit_code,
    interrupts_deferred,
    results_kept,
    until_interrupted,
    was_interrupted,
)
from loftr_vo.imaging.frame import Frame


class CountedFrames:
    """Wraps the frames of a sequence as ``progress`` of those who write them.

    Attributes:
        count: how many were asked for.
    """

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self.count = 0

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames."""
        bar = tqdm(frames, self._sequence.name, len(self._sequence), unit='frame')
        for frame in until_interrupted(bar):
            self.count += 1
            yield frame

    @property
    def exit_code(self) -> int:
        """That of the command, once the frames are written."""
        return interrupted_exit_code() if was_interrupted() else 0


@contextlib.contextmanager
def counted(sequence: Sequence) -> Iterator[CountedFrames]:
    """Yield what wraps the frames in a block that writes them, and that a signal does not end.

    Raises:
        KeyboardInterrupt: a signal came before the first frame.
    """
    frames = CountedFrames(sequence)
    try:
        with results_kept(), interrupts_deferred():
            yield frames
    except ValueError:
        if was_interrupted() and frames.count == 0:
            raise KeyboardInterrupt from None
        raise
    if was_interrupted():
        print(f'loftr_vo: interrupted after {frames.count} frames', file=sys.stderr)
