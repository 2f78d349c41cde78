# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: the launches of a function recorded once, and replayed with one call.

A frame is hundreds of small kernels. Launched one by one from Python they cost more than they
compute; as a graph they cost one launch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_WARM_UPS = 3

Function = Callable[..., Sequence[Tensor]]


class PlainCall:
    """Calls a function of tensors without a graph; the reference of ``GraphCall``."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def __call__(self, *inputs: Tensor) -> Sequence[Tensor]:
        """Return the outputs, which the next call may overwrite."""
        return self._function(*inputs)


class GraphCall:
    """Replays what a function of tensors launched when it was first called.

    Shapes must stay those of the first call, and nothing in the function may wait for the device.

    Args:
        function: of tensors on the device to tensors on the device.
        examples: inputs of the right shapes and types.
        stream: that every call is made on.

    Raises:
        RuntimeError: the function cannot be recorded.
    """

    def __init__(self, function: Function, examples: Sequence[Tensor], stream: Any) -> None:
        self._function = (
            function  # keeps the tensors alive that the kernels read beside their inputs
        )
        self._inputs = [example.clone() for example in examples]
        # Libraries choose their algorithms and allocate their workspaces before the recording.
        for _ in range(_WARM_UPS):
            function(*self._inputs)
        stream.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        # Other threads, a node's for example, may use the device meanwhile.
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode='thread_local'):
            self._outputs = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> Sequence[Tensor]:
        """Return the outputs, which the next call overwrites."""
        for buffer, value in zip(self._inputs, inputs, strict=True):
            buffer.copy_(value, non_blocking=True)
        self._graph.replay()
        return self._outputs


def record(function: Function, examples: Sequence[Tensor], stream: Any) -> PlainCall | GraphCall:
    """Return the function as a graph, or as it is where it cannot be recorded."""
    try:
        return GraphCall(function, examples, stream)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        logging.getLogger(__name__).warning(
            'no CUDA graph, frames will be slower: %s', str(error).splitlines()[0]
        )
        return PlainCall(function)
