# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of our matcher: streamed frames, their stages, frame rate, memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence

import numpy as np
import torch

from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.matching.matcher import Matcher

_MIB = 2**20


def milliseconds_since(start: float) -> float:
    """Return the milliseconds since a ``time.perf_counter``."""
    return (time.perf_counter() - start) * 1e3


class StreamedMatcher:
    """A matcher with its keyframe, for frames one by one.

    Args:
        matcher: to measure.
        pictures: (H, W) uint8 each; the first is the keyframe, the others come in turn.
    """

    def __init__(self, matcher: Matcher, pictures: Sequence[np.ndarray]) -> None:
        self._matcher = matcher
        self._pictures = pictures[1:]
        self._keyframe: EncodedImage = matcher.encode(pictures[0])
        self._next = 0
        # The first calls allocate, choose algorithms and, on a GPU, record graphs.
        for _ in range(3):
            self.frame()

    def _picture(self) -> np.ndarray:
        self._next += 1
        return self._pictures[self._next % len(self._pictures)]

    def frame(self) -> tuple[float, int]:
        """Stream one frame: picture in, matches on the host. Return milliseconds and matches."""
        picture = self._picture()
        started = time.perf_counter()
        encoded = self._matcher.encode(picture)
        matches = self._matcher.match(self._keyframe, encoded).result()
        return milliseconds_since(started), len(matches)

    def stages(self) -> dict[str, float]:
        """Stream one frame, waiting after each stage; return each one's milliseconds.

        The stage ``prepare`` ends when the call of ``encode`` returns, and includes resizing on a
        CPU; ``match`` ends with the matches on the host.
        """
        picture = self._picture()
        times = {}
        started = time.perf_counter()
        encoded = self._matcher.encode(picture)
        times['prepare'] = milliseconds_since(started)
        self._matcher.wait(encoded)
        times['encode'] = milliseconds_since(started) - times['prepare']
        started = time.perf_counter()
        self._matcher.match(self._keyframe, encoded).result()
        times['match'] = milliseconds_since(started)
        return times

    def rate(self, frames: int) -> float:
        """Return frames a second if each is encoded before the one before is waited for."""
        started = time.perf_counter()
        waiting = None
        for _ in range(frames):
            pending = self._matcher.match(self._keyframe, self._matcher.encode(self._picture()))
            if waiting is not None:
                waiting.result()
            waiting = pending
        if waiting is not None:
            waiting.result()
        return frames / (time.perf_counter() - started)

    def gpu_memory_mib(self) -> float | None:
        """Return the most GPU memory that PyTorch held for us; None on a CPU."""
        device = self._matcher.device
        return torch.cuda.max_memory_reserved(device) / _MIB if device.type == 'cuda' else None


def host_memory_mib() -> float:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
