# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Matching on a GPU, for pictures of two fixed sizes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from loftr_vo.loftr.fast import FastFeatures, FastLoFTR
from loftr_vo.matching.cuda_encoder import DeviceFeatures
from loftr_vo.matching.cuda_graphs import Function
from loftr_vo.matching.cuda_streams import CudaStreams
from loftr_vo.matching.device import device_faults
from loftr_vo.matching.pinned_buffers import DownloadPool
from loftr_vo.matching.raw_matches import COLUMNS, PairMatches, pack, unpack


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


class CudaPairMatcher:
    """Matches pictures of two fixed sizes, by a graph recorded at the first match.

    Args:
        streams: of the device.
        network: on the device.
        shape0, shape1: (H, W) of both pictures, resized for the network.
        count: of matches.
    """

    def __init__(
        self,
        streams: CudaStreams,
        network: FastLoFTR,
        shape0: tuple[int, int],
        shape1: tuple[int, int],
        count: int,
    ) -> None:
        self.pool = DownloadPool(streams.runtime, (COLUMNS, count))
        self._record = streams.runtime.record
        self._stream = streams.match
        self._network = network
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
