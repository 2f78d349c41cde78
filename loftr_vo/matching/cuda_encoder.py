# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The CNN on a GPU, for pictures of one size."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from loftr_vo.loftr.fast import FastFeatures, FastLoFTR
from loftr_vo.matching.cuda_graphs import Function
from loftr_vo.matching.cuda_streams import CudaStreams
from loftr_vo.matching.pinned_buffers import UploadRing
from loftr_vo.matching.resizing import DeviceResizing


class DeviceFeatures:
    """A picture's features on the device, possibly still in computation.

    Attributes:
        tensors: set once the work is launched.
        ready: event, recorded when they are complete.
    """

    def __init__(self, ready: Any) -> None:
        self.tensors: FastFeatures | None = None
        self.ready = ready


class CudaEncoder:
    """Encodes pictures of one size, by a graph recorded at the first.

    Args:
        streams: of the device.
        network: on the device.
        shape: (H, W) of the pictures.
        working_shape: (H, W) to which they are resized for the network.
    """

    def __init__(
        self,
        streams: CudaStreams,
        network: FastLoFTR,
        shape: tuple[int, int],
        working_shape: tuple[int, int],
    ) -> None:
        self._runtime = streams.runtime
        self._stream, self._readers = streams.encode, streams.match
        self._network = network
        self._shapes = shape, working_shape
        self._call: Any = None
        self.uploads = UploadRing(self._runtime, streams.copy, shape)

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
