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

from loftr_vo.cuda_runtime import CudaRuntime
from loftr_vo.device import device_faults
from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.fast import FastFeatures, FastLoFTR
from loftr_vo.loftr.model import COARSE_STRIDE, LoFTR, RawMatches
from loftr_vo.loftr.weights import load_weights
from loftr_vo.staging import DownloadPool, UploadRing

Value = TypeVar('Value')

# Sizes of picture whose buffers and graphs are kept; a camera has one.
_SIZES_KEPT = 4


class DeviceFeatures:
    """A picture's features on the device, or on their way.

    Attributes:
        tensors: set once the work is launched.
        ready: marks that they are complete.
    """

    def __init__(self, ready: Any) -> None:
        self.tensors: FastFeatures | None = None
        self.ready = ready


class DeviceMatches:
    """Matches on their way to the host.

    Args:
        buffer: (7, K), staging memory, see ``pack``.
        arrived: marks that they are there.
        device: for the words of an error.
    """

    def __init__(self, buffer: Tensor, arrived: Any, device: torch.device) -> None:
        self._buffer, self._arrived, self._device = buffer, arrived, device

    def result(self) -> RawMatches:
        """Wait for them and return them on the host.

        Raises:
            DeviceLostError: the device failed.
        """
        with device_faults(self._device):
            self._arrived.synchronize()
            return unpack(self._buffer.clone())


class CudaExecution:
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
        self._uploads: _Kept[UploadRing] = _Kept(self._runtime.settle)
        self._encoders: _Kept[Any] = _Kept(self._runtime.settle)
        self._pairs: _Kept[_Pair] = _Kept(self._runtime.settle)

    def settle(self) -> None:
        """Wait until all that was started is done."""
        with device_faults(self.device):
            self._runtime.settle()

    @property
    def config(self) -> LoFTRConfig:
        """Of the network."""
        return self._network.config

    def set_threshold(self, threshold: float) -> None:
        """Keep coarse matches whose confidence is larger, from the next match on."""
        with device_faults(self.device):
            self._runtime.launch(self._match, lambda: self._network.set_threshold(threshold))

    def set_min_support(self, min_support: int) -> None:
        """Keep coarse matches that so many cells around support, from the next match on."""
        with device_faults(self.device):
            self._runtime.launch(self._match, lambda: self._network.set_min_support(min_support))

    def encode(self, picture: np.ndarray) -> DeviceFeatures:
        """Start to encode an (H, W) uint8 picture, which may change afterwards.

        Raises:
            DeviceLostError: the device failed, or has too little memory.
        """
        shape = picture.shape[0], picture.shape[1]
        with device_faults(self.device):
            ring = self._uploads.get(shape, lambda: UploadRing(self._runtime, self._copy, shape))
            upload = ring.start(picture)
            features = DeviceFeatures(self._runtime.event())

            def work() -> None:
                encode = self._encoders.get(
                    shape,
                    lambda: self._runtime.record(
                        self._network.encode, [upload.device], self._encode
                    ),
                )
                # Copies, since the recorded call writes to the same place each time.
                features.tensors = FastFeatures(*(x.clone() for x in encode(upload.device)))

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
        """Start to match two pictures of (H, W); see ``FastLoFTR.match``.

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
                assert features0.tensors and features1.tensors
                inputs = (*features0.tensors, *features1.tensors)
                for tensor in inputs:
                    self._runtime.keep_until(self._match, tensor)
                buffer.copy_(pair(inputs), non_blocking=True)

            for features in (features0, features1):
                self._match.wait_event(features.ready)
            self._runtime.launch(self._match, work)
            arrived = self._runtime.event()
            arrived.record(self._match)
        matches = DeviceMatches(buffer, arrived, self.device)
        # Also when nobody ever asks: a later copy into it is behind this one in the stream.
        weakref.finalize(matches, pair.pool.give_back, buffer).atexit = False
        return matches

    def wait(self, features: DeviceFeatures) -> None:
        """Wait until features are complete."""
        with device_faults(self.device):
            features.ready.synchronize()


class _Pair:
    """The match of two pictures of certain sizes, recorded when it is first made."""

    def __init__(
        self,
        execution: CudaExecution,
        shape0: tuple[int, int],
        shape1: tuple[int, int],
        count: int,
    ) -> None:
        self.pool = DownloadPool(execution._runtime, (_COLUMNS, count))
        self._record = execution._runtime.record
        self._stream = execution._match
        self._call: Any = None
        network = execution._network

        def function(*inputs: Tensor) -> tuple[Tensor]:
            first, second = FastFeatures(*inputs[:2]), FastFeatures(*inputs[2:])
            return (pack(network.match(first, second, shape0, shape1, count)),)

        self._function = function

    def __call__(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the packed matches of the features of two pictures."""
        if self._call is None:
            self._call = self._record(self._function, inputs, self._stream)
        packed: Tensor = self._call(*inputs)[0]
        return packed


_COLUMNS = 7


def pack(raw: RawMatches) -> Tensor:
    """Return one pair's matches as one tensor (7, K) float32, for one copy to the host.

    Cells are whole numbers far below 2^24, which float32 holds exactly.
    """
    return torch.cat(
        [
            torch.stack([rows[0].float() for rows in raw[:4]]),
            raw.keypoints1[0].T,
            raw.spread,
        ]
    )


def unpack(packed: Tensor) -> RawMatches:
    """Return what ``pack`` packed."""
    cells0, cells1, confidence, valid = (row[None] for row in packed[:4])
    return RawMatches(
        cells0.long(),
        cells1.long(),
        confidence,
        valid > 0,
        packed[4:6].T[None],
        packed[6][None],
    )


class _Kept(OrderedDict[Hashable, Value]):
    """The values made last, a few of them.

    Args:
        before_drop: called before one is thrown away.
    """

    def __init__(self, before_drop: Callable[[], None]) -> None:
        super().__init__()
        self._before_drop = before_drop

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:  # type: ignore[override]
        """Return the value of a key, made if it is not there."""
        if key not in self:
            self[key] = make()
            if len(self) > _SIZES_KEPT:
                self._before_drop()
                self.popitem(last=False)
        self.move_to_end(key)
        return self[key]
