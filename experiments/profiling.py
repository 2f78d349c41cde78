# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Where a streamed frame's time goes: ``python -m experiments.profiling``.

What the host asks of CUDA within ``encode``, ``match`` and the wait for the result, and which
kernels take the device's time. It needs a CUDA device: on a CPU the network computes in a thread
of its own, which PyTorch's profiler does not see.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from loftr_vo.config import MatcherSettings
from loftr_vo.evaluation.timing.comparing import render_pictures, settings_for
from loftr_vo.loftr.weights import WeightsError
from loftr_vo.matching.device import (
    DeviceError,
    DeviceLostError,
    resolve_device,
    why_no_cuda,
)
from loftr_vo.matching.matcher import Matcher

STAGES = ('encode', 'match', 'result')
_WARM_UP, _FRAMES = 5, 20
# Part of the name of CUDA's calls that block the host.
_WAITS = 'Synchronize'


def profile_frames(matcher: Matcher, pictures: Sequence[np.ndarray]) -> list[Any]:
    """Return the profiler's events of some streamed frames, whose stages are events too.

    Args:
        matcher: what is profiled, on a CUDA device.
        pictures: (H, W) uint8; the first is the keyframe.
    """
    keyframe = matcher.encode(pictures[0])

    def stream(index: int) -> None:
        with record_function('encode'):
            encoded = matcher.encode(pictures[1 + index % (len(pictures) - 1)])
        with record_function('match'):
            pending = matcher.match(keyframe, encoded)
        with record_function('result'):
            pending.result()

    for index in range(_WARM_UP):
        stream(index)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for index in range(_FRAMES):
            stream(index)
        matcher.synchronize()
    return list(profiler.events())


def host_calls(events: Sequence[Any], stage: str) -> Counter[str]:
    """Count the host's calls of CUDA within a stage, in all frames."""
    spans = [event.time_range for event in _on_host(events) if event.name == stage]
    return Counter(
        event.name
        for event in _on_host(events)
        if event.name.startswith('cu')
        and any(span.start <= event.time_range.start < span.end for span in spans)
    )


def waits(events: Sequence[Any], stage: str) -> int:
    """Count the calls within a stage that block the host until the device is done."""
    return sum(count for name, count in host_calls(events, stage).items() if _WAITS in name)


def busiest(events: Sequence[Any]) -> list[tuple[str, int, float]]:
    """Return names, calls and milliseconds, of all frames, of the device's kernels and copies."""
    calls: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for event in events:
        # A stage is shown on the device too, as long as what it launched.
        if event.device_type == DeviceType.CUDA and event.name not in STAGES:
            calls[event.name] += 1
            times[event.name] += event.self_device_time_total
    return [(name, calls[name], time * 1e-3) for name, time in times.most_common()]


def _on_host(events: Sequence[Any]) -> list[Any]:
    return [event for event in events if event.device_type == DeviceType.CPU]


def require_cuda(device: str) -> None:
    """Reject a device that cannot be profiled.

    Raises:
        DeviceError: it is not there, or no CUDA device.
    """
    if resolve_device(device).type != 'cuda':
        why = 'that is not one' if device != 'auto' else why_no_cuda()
        raise DeviceError(f'a profile needs a CUDA device, got --device {device}: {why}')


def report(events: Sequence[Any], rows: int) -> str:
    """Return the tables, of one frame on average.

    Args:
        events: of ``profile_frames``.
        rows: most kernels named.
    """
    lines = []
    for stage in STAGES:
        listed = ', '.join(
            f'{name} {count / _FRAMES:g}' for name, count in host_calls(events, stage).items()
        )
        lines.append(f'{stage}: {waits(events, stage) / _FRAMES:g} waits a frame; {listed}')
    kernels = busiest(events)
    calls, total = sum(row[1] for row in kernels), sum(row[2] for row in kernels)
    lines += ['', f'{"ms a frame":>10}  {"calls":>6}  kernel']
    lines += [
        f'{time / _FRAMES:10.4f}  {count / _FRAMES:6.1f}  {name[:80]}'
        for name, count, time in [('all', calls, total), *kernels[:rows]]
    ]
    return '\n'.join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables; end with exit code 2 where that cannot be.

    Args:
        words: the command line without the program's name; that of the process if None.
    """
    parser = argparse.ArgumentParser(
        prog='python -m experiments.profiling',
        description='Profile a streamed frame on a CUDA device.',
    )
    parser.add_argument('--weights', default=MatcherSettings().weights)
    parser.add_argument('--device', default='auto')
    parser.add_argument('--precision', default='auto')
    parser.add_argument('--width', type=int, default=640)
    parser.add_argument('--height', type=int, default=480)
    parser.add_argument('--rows', type=int, default=30, help='of the table of kernels')
    arguments = parser.parse_args(words)
    try:
        require_cuda(arguments.device)
        matcher = Matcher(settings_for(arguments.weights, arguments.device, arguments.precision))
        matcher.working_shape((arguments.height, arguments.width))
        pictures = render_pictures((arguments.width, arguments.height))
        print(report(profile_frames(matcher, pictures), arguments.rows))
    except (ValueError, DeviceLostError, WeightsError) as error:
        parser.error(str(error))


if __name__ == '__main__':
    main()
