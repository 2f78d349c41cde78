# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the node asks of the device, without loading torch for it: it takes seconds to import."""

from __future__ import annotations

import sys
from typing import Any


def is_device_fault(error: BaseException) -> bool:
    """Whether an error is the device's; unlike a picture's, the next picture fails too."""
    device = sys.modules.get('loftr_vo.matching.device')
    return isinstance(error, getattr(device, 'DeviceLostError', ()))


def release_memory() -> None:
    """Give back what PyTorch keeps of the GPU's memory for later."""
    torch = _torch_with_cuda()
    if torch is None:
        return
    try:
        torch.cuda.empty_cache()
    except RuntimeError:
        # A device that is lost has nothing to give back, and says so at every call.
        return


def memory_in_use() -> int | None:
    """Return how many bytes of GPU memory PyTorch holds; None if the device does not answer."""
    torch = _torch_with_cuda()
    if torch is None:
        return 0
    try:
        devices = range(torch.cuda.device_count())
        return sum(torch.cuda.memory_reserved(device) for device in devices)
    except RuntimeError:
        return None


def _torch_with_cuda() -> Any | None:
    torch = sys.modules.get('torch')
    # Another thread may be in the middle of importing it, and then parts of it are not there yet.
    is_initialized = getattr(getattr(torch, 'cuda', None), 'is_initialized', None)
    return torch if is_initialized is not None and is_initialized() else None
