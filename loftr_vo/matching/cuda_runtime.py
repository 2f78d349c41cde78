# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The few things of CUDA that the streaming matcher is built on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from loftr_vo.matching.cuda_graphs import (
    Function,
    GraphCall,
    PlainCall,
    record,
)
from loftr_vo.matching.stage_trace import Trace


class CudaRuntime:
    """Streams, events, staging memory and recorded calls of one CUDA device.

    A runtime with the same methods that orders work by nothing but streams and events can take
    its place in a test, and shows where an event is missing.

    Args:
        device: a CUDA device.
        graphs: False to launch every kernel by itself.
        trace: notes when each stream was busy, once ``settle`` is called.
    """

    def __init__(
        self, device: torch.device, graphs: bool = True, trace: Trace | None = None
    ) -> None:
        self.device = device
        self._graphs = graphs
        self._trace = trace
        self._lanes: dict[Any, str] = {}
        self._timings: list[tuple[str, Any, Any]] = []

    def stream(self, lane: str) -> Any:
        """Return a new stream: what is launched on it runs in order, beside other streams."""
        stream = torch.cuda.Stream(self.device)
        self._lanes[stream] = lane
        return stream

    def event(self) -> Any:
        """Return a new event: a mark in a stream that others can wait for."""
        return torch.cuda.Event()

    def launch(self, stream: Any, work: Callable[[], None]) -> None:
        """Have ``work`` launch its kernels on a stream."""
        # A stream brings its device with it.
        with torch.inference_mode(), torch.cuda.stream(stream):
            if self._trace is None:
                work()
            else:
                self._timed(stream, work)

    def _timed(self, stream: Any, work: Callable[[], None]) -> None:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record(stream)
        work()
        end.record(stream)
        self._timings.append((self._lanes[stream], start, end))

    def settle(self) -> None:
        """Wait for all that the device has to do."""
        torch.cuda.synchronize(self.device)
        if self._trace is None:
            return
        now = torch.cuda.Event(enable_timing=True)
        now.record()
        now.synchronize()
        at = time.perf_counter()
        for lane, start, end in self._timings:
            self._trace.add(lane, *(at - event.elapsed_time(now) * 1e-3 for event in (start, end)))
        self._timings.clear()

    def staging(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return host memory that the device reads and writes without the host's help."""
        return torch.empty(tuple(shape), dtype=dtype, pin_memory=True)

    def share(self, tensor: Tensor, stream: Any) -> None:
        """Have a tensor's memory wait for another stream than its own before it is used again.

        Once is enough, whatever the other stream is given to do before the tensor is dropped.
        """
        tensor.record_stream(stream)

    def record(
        self, function: Function, examples: Sequence[Tensor], stream: Any
    ) -> PlainCall | GraphCall:
        """Return a function for calls on a stream; see ``cuda_graphs.record``."""
        chosen = _with_fastest_convolutions(function)
        return record(chosen, examples, stream) if self._graphs else PlainCall(chosen)


def _with_fastest_convolutions(function: Function) -> Function:
    """Return the function, launched with the fastest convolutions that compute in float32.

    To replay what was recorded needs none of it, and to set it takes the host some time.
    """

    def launch(*inputs: Tensor) -> Sequence[Tensor]:
        # Shapes are fixed, so the fastest are worth looking for. Without TF32 float32 is what the
        # CPU computes.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            return function(*inputs)

    return launch
