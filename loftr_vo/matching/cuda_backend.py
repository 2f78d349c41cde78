# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The network on a GPU: three streams, so that pictures, CNN and matching overlap.

The host only launches and never waits, except where a result is read:

    copy     picture 2   picture 3
    encode      CNN of 2 ───►  CNN of 3 ───►
    match          1 with 2 ───►  1 with 3 ───►
    host      geometry of 1     geometry of 2
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import torch

from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.fast import FastLoFTR
from loftr_vo.loftr.model import COARSE_STRIDE, LoFTR
from loftr_vo.loftr.weights import load_weights
from loftr_vo.matching.cuda_encoder import CudaEncoder, DeviceFeatures
from loftr_vo.matching.cuda_pair_matcher import CudaPairMatcher, DeviceMatches
from loftr_vo.matching.cuda_runtime import CudaRuntime
from loftr_vo.matching.cuda_streams import CudaStreams
from loftr_vo.matching.device import device_faults
from loftr_vo.matching.recent_cache import RecentCache

# Sizes of pictures whose buffers and graphs are kept; a camera has one size.
_CACHED_SIZES = 4


class CudaBackend:
    """Launches every call of the network on a GPU and returns at once.

    Args:
        weights: a name, see ``load_weights``, or a network.
        dtype: precision.
        runtime: of the device; None for CUDA's with graphs.
        device: where to compute.

    Raises:
        WeightsError: the weights cannot be had.
        DeviceLostError: the device fails, or has too little memory.
    """

    def __init__(
        self,
        weights: str | LoFTR,
        dtype: torch.dtype,
        device: torch.device,
        runtime: Any = None,
    ) -> None:
        self.device = device
        self._runtime = runtime or CudaRuntime(device)
        with device_faults(device):
            model = weights if isinstance(weights, LoFTR) else load_weights(weights)
            self._network = FastLoFTR(model, device, dtype, fixed_size=True)
            self._runtime.synchronize()  # the weights came in another stream
            self._streams = CudaStreams(
                self._runtime,
                *(self._runtime.stream(lane) for lane in ('copy', 'encode', 'match')),
            )
        self._encoders: RecentCache[CudaEncoder] = RecentCache(
            _CACHED_SIZES, self._runtime.synchronize
        )
        self._pairs: RecentCache[CudaPairMatcher] = RecentCache(
            _CACHED_SIZES, self._runtime.synchronize
        )

    def synchronize(self) -> None:
        """Wait until all that was started is done."""
        with device_faults(self.device):
            self._runtime.synchronize()

    @property
    def config(self) -> LoFTRConfig:
        """The network's config."""
        return self._network.config

    def set_threshold(self, threshold: float) -> None:
        """Keep coarse matches whose confidence is larger, from the next match on."""
        with device_faults(self.device):
            self._runtime.launch(
                self._streams.match, lambda: self._network.set_threshold(threshold)
            )

    def set_min_support(self, min_support: int) -> None:
        """Keep coarse matches with at least this support, from the next match on."""
        with device_faults(self.device):
            self._runtime.launch(
                self._streams.match, lambda: self._network.set_min_support(min_support)
            )

    def encode(self, picture: np.ndarray, shape: tuple[int, int]) -> DeviceFeatures:
        """Start to encode an (H, W) uint8 picture, which may change afterwards.

        Args:
            picture: of any size; it is resized on the device.
            shape: (H, W) to which it is resized for the network.

        Raises:
            DeviceLostError: the device failed, or has too little memory.
        """
        given = picture.shape[0], picture.shape[1]
        with device_faults(self.device):
            encoder = self._encoders.get(
                (given, shape), lambda: CudaEncoder(self._streams, self._network, given, shape)
            )
            upload = encoder.uploads.start(picture)
            features = DeviceFeatures(self._runtime.event())

            def work() -> None:
                features.tensors = encoder(upload.device)

            self._streams.encode.wait_event(upload.arrived)
            self._runtime.launch(self._streams.encode, work)
            upload.read.record(self._streams.encode)
            features.ready.record(self._streams.encode)
        return features

    def match(
        self,
        features0: DeviceFeatures,
        features1: DeviceFeatures,
        shape0: tuple[int, int],
        shape1: tuple[int, int],
        max_matches: int,
    ) -> DeviceMatches:
        """Start to match two pictures, resized to (H, W); see ``FastLoFTR.match``.

        Raises:
            DeviceLostError: the device failed, or has too little memory.
        """
        cells = shape0[0] // COARSE_STRIDE * (shape0[1] // COARSE_STRIDE)
        count = min(max_matches, cells)
        with device_faults(self.device):
            pair = self._pairs.get(
                (shape0, shape1, count),
                lambda: CudaPairMatcher(self._streams, self._network, shape0, shape1, count),
            )
            buffer = pair.pool.take()

            def work() -> None:
                buffer.copy_(pair(features0, features1), non_blocking=True)

            for features in (features0, features1):
                self._streams.match.wait_event(features.ready)
            self._runtime.launch(self._streams.match, work)
            arrived = self._runtime.event()
            arrived.record(self._streams.match)
        matches = DeviceMatches(buffer, arrived, self.device)
        # Also without a call of result(): a later copy into it follows this one in the stream.
        weakref.finalize(matches, pair.pool.give_back, buffer).atexit = False
        return matches

    def wait(self, features: DeviceFeatures) -> None:
        """Wait until features are complete."""
        with device_faults(self.device):
            features.ready.synchronize()
