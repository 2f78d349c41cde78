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
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.fast import FastFeatures, FastLoFTR
from loftr_vo.loftr.model import COARSE_STRIDE, LoFTR
from loftr_vo.loftr.weights import load_weights
from loftr_vo.matching.cuda_graphs import Function
from loftr_vo.matching.cuda_runtime import CudaRuntime
from loftr_vo.matching.device import device_faults
from loftr_vo.matching.pinned_buffers import DownloadPool, UploadRing
from loftr_vo.matching.raw_matches import (
    COLUMNS,
    PairMatches,
    pack,
    unpack,
)
from loftr_vo.matching.resizing import DeviceResizing

Value = TypeVar('Value')

# Sizes of pictures whose buffers and graphs are kept; a camera has one size.
_CACHED_SIZES = 4


class DeviceFeatures:
    """A picture's features on the device, possibly still in computation.

    Attributes:
        tensors: set once the work is launched.
        ready: event, recorded when they are complete.
    """

    def __init__(self, ready: Any) -> None:
        self.tensors: FastFeatures | None = None
        self.ready = ready


class DeviceMatches:
    """Matches in transfer to the host.

    Args:
        buffer: (7, K) in pinned memory, see ``pack``.
        arrived: event, recorded when the copy is complete.
        device: named in errors.
    """

    def __init__(self, buffer: Tensor, arrived: Any, device: torch.device) -> None:
        self._buffer, self._arrived, self._device = buffer, arrived, device

    def result(self) -> PairMatches:
        """Wait for the matches and return them.

        Raises:
            DeviceLostError: the device failed.
        """
        with device_faults(self._device):
            self._arrived.synchronize()
        return unpack(self._buffer.numpy())


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
            self._runtime.settle()  # the weights came in another stream
            self._copy, self._encode, self._match = (
                self._runtime.stream(lane) for lane in ('copy', 'encode', 'match')
            )
        self._encoders: _RecentCache[_Encoder] = _RecentCache(self._runtime.settle)
        self._pairs: _RecentCache[_Pair] = _RecentCache(self._runtime.settle)

    def settle(self) -> None:
        """Wait until all that was started is done."""
        with device_faults(self.device):
            self._runtime.settle()

    @property
    def config(self) -> LoFTRConfig:
        """The network's config."""
        return self._network.config

    def set_threshold(self, threshold: float) -> None:
        """Keep coarse matches whose confidence is larger, from the next match on."""
        with device_faults(self.device):
            self._runtime.launch(self._match, lambda: self._network.set_threshold(threshold))

    def set_min_support(self, min_support: int) -> None:
        """Keep coarse matches with at least this support, from the next match on."""
        with device_faults(self.device):
            self._runtime.launch(self._match, lambda: self._network.set_min_support(min_support))

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
            encoder = self._encoders.get((given, shape), lambda: _Encoder(self, given, shape))
            upload = encoder.uploads.start(picture)
            features = DeviceFeatures(self._runtime.event())

            def work() -> None:
                features.tensors = encoder(upload.device)

            self._encode.wait_event(upload.arrived)
            self._runtime.launch(self._encode, work)
            upload.read.record(self._encode)
            features.ready.record(self._encode)
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
                (shape0, shape1, count), lambda: _Pair(self, shape0, shape1, count)
            )
            buffer = pair.pool.take()

            def work() -> None:
                buffer.copy_(pair(features0, features1), non_blocking=True)

            for features in (features0, features1):
                self._match.wait_event(features.ready)
            self._runtime.launch(self._match, work)
            arrived = self._runtime.event()
            arrived.record(self._match)
        matches = DeviceMatches(buffer, arrived, self.device)
        # Also without a call of result(): a later copy into it follows this one in the stream.
        weakref.finalize(matches, pair.pool.give_back, buffer).atexit = False
        return matches

    def wait(self, features: DeviceFeatures) -> None:
        """Wait until features are complete."""
        with device_faults(self.device):
            features.ready.synchronize()


class _Encoder:
    """Encodes pictures of one size, by a graph recorded at the first."""

    def __init__(
        self, execution: CudaBackend, shape: tuple[int, int], working_shape: tuple[int, int]
    ) -> None:
        self._runtime = execution._runtime
        self._stream, self._readers = execution._encode, execution._match
        self._network = execution._network
        self._shapes = shape, working_shape
        self._call: Any = None
        self.uploads = UploadRing(self._runtime, execution._copy, shape)

    def __call__(self, picture: Tensor) -> FastFeatures:
        """Return the features of a (1, 1, H, W) uint8 picture."""
        if self._call is None:
            self._call = self._runtime.record(self._function(), [picture], self._stream)
        # Copies, since the recorded call writes to the same place each time.
        features = FastFeatures(*(output.clone() for output in self._call(picture)))
        for tensor in features:
            self._runtime.share(tensor, self._readers)
        return features

    def _function(self) -> Function:
        network = self._network
        resize = DeviceResizing(*self._shapes, network.device)
        return lambda picture: network.encode(resize(picture))


class _Pair:
    """Matches pictures of two fixed sizes, by a graph recorded at the first match."""

    def __init__(
        self,
        execution: CudaBackend,
        shape0: tuple[int, int],
        shape1: tuple[int, int],
        count: int,
    ) -> None:
        self.pool = DownloadPool(execution._runtime, (COLUMNS, count))
        self._record = execution._runtime.record
        self._stream = execution._match
        self._network = execution._network
        self._arguments = shape0, shape1, count
        self._call: Any = None
        # Consecutive pictures are matched with the same keyframe, whose features stay here.
        self._first: FastFeatures | None = None
        self._holds: Callable[[], DeviceFeatures | None] = lambda: None

    def __call__(self, features0: DeviceFeatures, features1: DeviceFeatures) -> Tensor:
        """Return the packed matches of the features of two pictures."""
        assert features0.tensors and features1.tensors
        first = self._load(features0, features0.tensors)
        if self._call is None:
            self._call = self._record(self._function(first), features1.tensors, self._stream)
        packed: Tensor = self._call(*features1.tensors)[0]
        return packed

    def _load(self, features: DeviceFeatures, tensors: FastFeatures) -> FastFeatures:
        """Copy the first picture's features to the graph's input, unless they are there."""
        if self._first is None:
            self._first = FastFeatures(*(tensor.clone() for tensor in tensors))
        elif self._holds() is not features:
            for place, tensor in zip(self._first, tensors, strict=True):
                place.copy_(tensor, non_blocking=True)
        self._holds = weakref.ref(features)
        return self._first

    def _function(self, first: FastFeatures) -> Function:
        network, arguments = self._network, self._arguments
        return lambda *second: (pack(network.match(first, FastFeatures(*second), *arguments)),)


class _RecentCache(OrderedDict[Hashable, Value]):
    """A cache of the most recently used values.

    Args:
        before_drop: called before one is dropped.
    """

    def __init__(self, before_drop: Callable[[], None]) -> None:
        super().__init__()
        self._before_drop = before_drop

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:  # type: ignore[override]
        """Return the value of a key, created if it is missing."""
        if key not in self:
            self[key] = make()
            if len(self) > _CACHED_SIZES:
                self._before_drop()
                self.popitem(last=False)
        self.move_to_end(key)
        return self[key]
