# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pinned host memory for the transfer of pictures to the device and of matches back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

# One picture is processed, the next is copied, and the one after may be written.
_SLOTS = 3


class Upload:
    """Buffers and events of one upload.

    Attributes:
        pixels: (H, W) uint8 view of ``host``, to write the picture to.
        host: (1, 1, H, W) uint8, pinned.
        device: (1, 1, H, W) uint8, the target.
        arrived: event, recorded after the copy.
        read: event, recorded after the last use of ``device``.
    """

    def __init__(self, runtime: Any, shape: tuple[int, int]) -> None:
        self.host = runtime.staging((1, 1, *shape), torch.uint8)
        self.pixels = self.host[0, 0].numpy()
        self.device = torch.empty((1, 1, *shape), dtype=torch.uint8, device=runtime.device)
        self.arrived, self.read = runtime.event(), runtime.event()


class UploadRing:
    """Copies pictures of one size to the device, in a separate stream.

    Args:
        runtime: see ``CudaRuntime``.
        stream: for the copies.
        shape: (H, W).
    """

    def __init__(self, runtime: Any, stream: Any, shape: tuple[int, int]) -> None:
        self._runtime, self._stream = runtime, stream
        self._uploads = [Upload(runtime, shape) for _ in range(_SLOTS)]
        self._next = 0

    def start(self, picture: np.ndarray) -> Upload:
        """Start to copy a picture; its reader must record ``read``."""
        upload = self._uploads[self._next]
        self._next = (self._next + 1) % len(self._uploads)
        # From three pictures ago: in practice it has completed.
        upload.arrived.synchronize()
        upload.pixels[:] = picture
        self._stream.wait_event(upload.read)
        self._runtime.launch(
            self._stream, lambda: upload.device.copy_(upload.host, non_blocking=True)
        )
        upload.arrived.record(self._stream)
        return upload


class DownloadPool:
    """Pinned memory for results of one shape, reused once a result is read or dropped."""

    def __init__(self, runtime: Any, shape: tuple[int, ...]) -> None:
        self._runtime, self._shape = runtime, shape
        self._free: list[Tensor] = []

    def take(self) -> Tensor:
        """Return a float32 pinned buffer, new only if none is free."""
        if self._free:
            return self._free.pop()
        return self._runtime.staging(self._shape, torch.float32)

    def give_back(self, buffer: Tensor) -> None:
        """Return a buffer to the pool, for another copy in the same stream."""
        self._free.append(buffer)
