# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The few things of CUDA that the streaming matcher is built on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from loftr_vo.cuda_graphs import Function, GraphCall, PlainCall, record


class CudaRuntime:
    """Streams, events, staging memory and recorded calls of one CUDA device.

    A runtime with the same methods that orders work by nothing but streams and events can take
    its place in a test, and shows where an event is missing.

    Args:
        device: a CUDA device.
        graphs: False to launch every kernel by itself.
    """

    def __init__(self, device: torch.device, graphs: bool = True) -> None:
        self.device = device
        self._graphs = graphs

    def stream(self) -> Any:
        """Return a new stream: what is launched on it runs in order, beside other streams."""
        return torch.cuda.Stream(self.device)

    def event(self) -> Any:
        """Return a new event: a mark in a stream that others can wait for."""
        return torch.cuda.Event()

    def launch(self, stream: Any, work: Callable[[], None]) -> None:
        """Have ``work`` launch its kernels on a stream."""
        with torch.inference_mode(), torch.cuda.device(self.device), torch.cuda.stream(stream):
            work()

    def staging(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return host memory that the device reads and writes without the host's help."""
        return torch.empty(tuple(shape), dtype=dtype, pin_memory=True)

    def keep_until(self, stream: Any, tensor: Tensor) -> None:
        """Keep the memory of a tensor of another stream until this one is through with it."""
        tensor.record_stream(stream)

    def record(
        self, function: Function, examples: Sequence[Tensor], stream: Any
    ) -> PlainCall | GraphCall:
        """Return a function for calls on a stream; see ``cuda_graphs.record``."""
        return record(function, examples, stream) if self._graphs else PlainCall(function)
