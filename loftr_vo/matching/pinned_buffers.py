# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Host memory through which pictures go to the device and matches come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

# While one picture is worked on, the next is on its way, and the one after may be written.
_SLOTS = 3


class Upload:
    """A picture's way to the device.

    Attributes:
        pixels: (H, W) uint8, to write the picture to.
        host: (1, 1, H, W) uint8, the same, staging memory.
        device: (1, 1, H, W) uint8, where it arrives.
        arrived: marks that the copy is through.
        read: marks that the device has no more use of the copy.
    """

    def __init__(self, runtime: Any, shape: tuple[int, int]) -> None:
        self.host = runtime.staging((1, 1, *shape), torch.uint8)
        self.pixels = self.host[0, 0].numpy()
        self.device = torch.empty((1, 1, *shape), dtype=torch.uint8, device=runtime.device)
        self.arrived, self.read = runtime.event(), runtime.event()


class UploadRing:
    """Brings pictures of one size to the device, in a stream of its own.

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
        """Start to copy a picture; whoever reads it then marks ``read``."""
        upload = self._uploads[self._next]
        self._next = (self._next + 1) % len(self._uploads)
        # Three pictures ago: in practice it is through long since.
        upload.arrived.synchronize()
        upload.pixels[:] = picture
        self._stream.wait_event(upload.read)
        self._runtime.launch(
            self._stream, lambda: upload.device.copy_(upload.host, non_blocking=True)
        )
        upload.arrived.record(self._stream)
        return upload


class DownloadPool:
    """Staging memory for results of one shape, used again once a result is read or dropped."""

    def __init__(self, runtime: Any, shape: tuple[int, ...]) -> None:
        self._runtime, self._shape = runtime, shape
        self._free: list[Tensor] = []

    def take(self) -> Tensor:
        """Return float32 staging memory, new only if none is free."""
        if self._free:
            return self._free.pop()
        return self._runtime.staging(self._shape, torch.float32)

    def give_back(self, buffer: Tensor) -> None:
        """Let it be taken again, for a copy in the same stream as before."""
        self._free.append(buffer)
