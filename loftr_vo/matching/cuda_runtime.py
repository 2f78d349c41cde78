# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Streams, events, pinned memory and graphs of CUDA, as the streaming matcher uses them."""

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
    """Streams, events, pinned memory and recorded calls of one CUDA device.

    Tests replace it by a runtime that orders work only by streams and events, which reveals a
    missing event.

    Args:
        device: a CUDA device.
        graphs: False to launch every kernel by itself.
        trace: receives the spans of each stream at every ``synchronize``.
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
        """Return a new stream; its work runs in order, concurrently with other streams."""
        stream = torch.cuda.Stream(self.device)
        self._lanes[stream] = lane
        return stream

    def event(self) -> Any:
        """Return a new event: a mark in a stream that others can wait for."""
        return torch.cuda.Event()

    def launch(self, stream: Any, work: Callable[[], None]) -> None:
        """Call ``work`` with a stream as the current one."""
        # The stream also sets the device.
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

    def synchronize(self) -> None:
        """Wait until the device is idle."""
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
        """Return pinned host memory, which the device reads and writes asynchronously."""
        return torch.empty(tuple(shape), dtype=dtype, pin_memory=True)

    def share(self, tensor: Tensor, stream: Any) -> None:
        """Mark a tensor as used by another stream, so that its memory is not reused too early.

        One call covers all work of that stream until the tensor is dropped.
        """
        tensor.record_stream(stream)

    def record(
        self, function: Function, examples: Sequence[Tensor], stream: Any
    ) -> PlainCall | GraphCall:
        """Return a function for calls on a stream; see ``cuda_graphs.record``."""
        chosen = _with_fastest_convolutions(function)
        return record(chosen, examples, stream) if self._graphs else PlainCall(chosen)


def _with_fastest_convolutions(function: Function) -> Function:
    """Return the function with cuDNN's fastest algorithms chosen, without TF32.

    Replaying a graph does not need the flags, and setting them takes the host some time.
    """

    def launch(*inputs: Tensor) -> Sequence[Tensor]:
        # Shapes are fixed, so the search pays off. Without TF32, float32 agrees with the CPU.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            return function(*inputs)

    return launch
