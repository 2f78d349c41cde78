# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The frames that a command writes: progress bar, count, and a clean end at a signal."""

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
    """A ``progress`` for writers: shows a bar, counts the frames, ends at a signal.

    Attributes:
        count: frames written so far.
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
        """The exit code of the command, once the frames are written."""
        return interrupted_exit_code() if was_interrupted() else 0


@contextlib.contextmanager
def counted(sequence: Sequence) -> Iterator[CountedFrames]:
    """Yield a ``CountedFrames`` for a block that writes frames; a signal ends them, not the block.

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
