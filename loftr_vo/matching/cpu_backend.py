# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The network on a CPU, in a thread of its own."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.fast import FastFeatures, FastLoFTR
from loftr_vo.loftr.model import LoFTR
from loftr_vo.loftr.weights import load_weights
from loftr_vo.matching.device import device_faults
from loftr_vo.matching.raw_matches import PairMatches, valid_matches
from loftr_vo.matching.resizing import resized
from loftr_vo.matching.stage_trace import NoTrace, Trace

CpuFeatures = Future[FastFeatures]


class CpuBackend:
    """Runs every call of the network in one thread, in the order of the calls.

    Calls are asynchronous. A single thread is also faster: OpenMP keeps a pool of workers for each
    thread that computes. Where several pools share the cores, workers sleep between operations
    instead of spinning, which halves the speed of a network of many small operations. So the
    weights are loaded in that thread too.

    Args:
        weights: a name, see ``load_weights``, or a network.
        dtype: precision.
        trace: records the spans of encoding and matching.

    Raises:
        WeightsError: the weights cannot be loaded.
        DeviceMemoryError: too little memory.
    """

    device = torch.device('cpu')

    def __init__(
        self, weights: str | LoFTR, dtype: torch.dtype, trace: Trace | None = None
    ) -> None:
        self._trace = trace or NoTrace()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='network')
        self._network = self._thread.submit(self._load, weights, dtype).result()

    def _load(self, weights: str | LoFTR, dtype: torch.dtype) -> FastLoFTR:
        with device_faults(self.device):
            model = weights if isinstance(weights, LoFTR) else load_weights(weights)
            return FastLoFTR(model, self.device, dtype)

    @property
    def config(self) -> LoFTRConfig:
        """The network's config."""
        return self._network.config

    def set_threshold(self, threshold: float) -> None:
        """Keep coarse matches whose confidence is larger, from the next match on."""
        self._thread.submit(self._network.set_threshold, threshold)

    def set_min_support(self, min_support: int) -> None:
        """Keep coarse matches with at least this support, from the next match on."""
        self._thread.submit(self._network.set_min_support, min_support)

    def use_threads(self, threads: int) -> None:
        """Compute with so many threads from the next call on."""
        self._thread.submit(torch.set_num_threads, threads)

    def encode(self, picture: np.ndarray, shape: tuple[int, int]) -> CpuFeatures:
        """Start to encode an (H, W) uint8 picture, which may change afterwards.

        Args:
            picture: of any size.
            shape: (H, W) to which it is resized for the network.
        """
        return self._thread.submit(self._encode, resized(picture, shape))

    def match(
        self,
        features0: CpuFeatures,
        features1: CpuFeatures,
        shape0: tuple[int, int],
        shape1: tuple[int, int],
        max_matches: int,
    ) -> Future[PairMatches]:
        """Start to match two pictures; the shapes are (H, W) of the resized ones."""
        return self._thread.submit(self._match, features0, features1, shape0, shape1, max_matches)

    def synchronize(self) -> None:
        """Wait until all that was started is done."""
        self._thread.submit(int).result()

    def wait(self, features: CpuFeatures) -> None:
        """Wait until features are complete."""
        features.result()

    def _encode(self, picture: np.ndarray) -> FastFeatures:
        with device_faults(self.device), self._trace.span('encode'):
            return self._network.encode(torch.from_numpy(picture)[None, None])

    def _match(
        self,
        features0: CpuFeatures,
        features1: CpuFeatures,
        shape0: tuple[int, int],
        shape1: tuple[int, int],
        max_matches: int,
    ) -> PairMatches:
        # Encoded before in this same thread, so there is no wait; errors of encoding are raised.
        first, second = features0.result(), features1.result()
        with device_faults(self.device), self._trace.span('match'):
            return valid_matches(self._network.match(first, second, shape0, shape1, max_matches))
