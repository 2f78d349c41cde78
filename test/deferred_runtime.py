# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Streams and events on the CPU, which do nothing before they must and then in the worst order.

It stands in for ``CudaRuntime``. What is launched waits in its stream until the host synchronises
with an event behind it. Then only what that event needs is run, and of what it does not need,
anything a GPU might have run before: other streams are run ahead or left behind at random. Where
a wait is missing, a copy reads what is not there yet, or overwrites what is still needed.
"""

import random

import torch

from loftr_vo.matching.cuda_graphs import PlainCall


class Stream:
    def __init__(self, runtime):
        self.runtime = runtime
        self.queue = []

    def wait_event(self, event):
        if event.marks:
            self.queue.append(('wait', event, event.marks))

    def runs(self):
        """Return whether the next thing in the queue may run."""
        if not self.queue:
            return False
        kind, event, number = self.queue[0]
        return kind != 'wait' or event.passed >= number

    def step(self):
        kind, what, number = self.queue.pop(0)
        if kind == 'work':
            with torch.inference_mode():
                what()
        elif kind == 'mark':
            what.passed = number


class Event:
    def __init__(self, runtime):
        self.runtime = runtime
        self.marks = self.passed = 0

    def record(self, stream):
        self.marks += 1
        stream.queue.append(('mark', self, self.marks))

    def synchronize(self):
        self.runtime.run_until(lambda: self.passed >= self.marks)


class RecordedCall(PlainCall):
    """Writes to the same memory each time, as a graph does."""

    def __init__(self, function, examples):
        super().__init__(function)
        self.inputs = [example.clone() for example in examples]
        self.outputs = None

    def __call__(self, *inputs):
        for buffer, value in zip(self.inputs, inputs, strict=True):
            buffer.copy_(value)
        outputs = super().__call__(*self.inputs)
        if self.outputs is None:
            self.outputs = [output.clone() for output in outputs]
        for buffer, value in zip(self.outputs, outputs, strict=True):
            buffer.copy_(value)
        return self.outputs


class DeferredRuntime:
    def __init__(self, seed=0, graphs=True):
        self.device = torch.device('cpu')
        self.random = random.Random(seed)
        self.graphs = graphs
        self.streams = []
        self.shared = []
        self.allocated = 0
        self.recorded = 0

    def stream(self, lane):
        self.streams.append(Stream(self))
        return self.streams[-1]

    def event(self):
        return Event(self)

    def launch(self, stream, work):
        stream.queue.append(('work', work, None))

    def staging(self, shape, dtype):
        self.allocated += 1
        return torch.zeros(tuple(shape), dtype=dtype)

    def share(self, tensor, stream):
        self.shared.append((tensor, stream))

    def record(self, function, examples, stream):
        self.recorded += 1
        return RecordedCall(function, examples) if self.graphs else PlainCall(function)

    def synchronize(self):
        self.run_until(lambda: not any(stream.queue for stream in self.streams))

    def run_until(self, done):
        while not done():
            able = [stream for stream in self.streams if stream.runs()]
            assert able, 'a stream waits for what is never recorded'
            self.random.choice(able).step()
