# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo benchmark --node``: how many pictures the whole node follows, and how late."""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from loftr_vo.evaluation.report import write_json
from loftr_vo.imaging.frame import Frame

_RENDERED, _RENDERED_RATE = 60, 30.0
_MOST_FRAMES = 1000  # of a recording; what is more would fill the memory


def benchmark_node(arguments: argparse.Namespace) -> int:
    """Measure, print the figures, write what was asked for."""
    from loftr_vo.ros.node_benchmark import draw_latency, figures, stream_to_node
    from loftr_vo.ros.node_process import LiveNodeError, keep_to_this_host

    keep_to_this_host()
    parameters = _parameters(arguments)
    frames, own_rate = _frames(arguments.path, arguments.size)
    rate = arguments.rate or own_rate
    try:
        run = stream_to_node(frames, rate, arguments.seconds, parameters, arguments.threads)
    except LiveNodeError as error:
        print(f'loftr_vo: {error}', file=sys.stderr)
        return 1
    found = figures(run)
    print(node_table(found))
    if arguments.json:
        write_json(arguments.json, found)
    if arguments.timeline:
        height, width = frames[0].image.shape
        title = (
            f'{found["odometries"]} odometries of {found["published"]} pictures, {width}x{height} '
            f'at {rate:g} Hz: {found["stamp_to_odom_ms_median"]:.0f} ms in median'
        )
        draw_latency(run, arguments.timeline, title)
    return 0


def node_table(found: dict[str, Any]) -> str:
    """Return the figures as a table for people."""
    rows = [
        ('pictures published', found['published']),
        ('odometries', f'{found["odometries"]} ({found["dropped"]} without)'),
        ('pictures that the network saw', found['network_frames']),
        ('stamp to odometry, median', f'{found["stamp_to_odom_ms_median"]:.1f} ms'),
        ('  95 % are below', f'{found["stamp_to_odom_ms_p95"]:.1f} ms'),
        *((f'  {name}, mean', f'{value:.1f} ms') for name, value in found['stages_ms'].items()),
        ('CPU (100 is one core)', f'{found["cpu_percent"]:.0f} %'),
        ('memory, at most', f'{found["rss_mib_max"]:.0f} MiB'),
    ]
    width = max(len(name) for name, _ in rows)
    return '\n'.join(f'{name.ljust(width)}  {value}' for name, value in rows)


def _frames(path: Path | None, size: tuple[int, int]) -> tuple[list[Frame], float]:
    """Return the pictures to stream, and the rate that they were taken at."""
    if path is None:
        from loftr_vo.synthetic.sequence import SyntheticSequence

        width, height = size
        rendered = SyntheticSequence('room', _RENDERED, (height, width), rate=_RENDERED_RATE)
        return list(rendered), _RENDERED_RATE
    from loftr_vo.datasets import open_sequence

    frames = list(islice(open_sequence(path), _MOST_FRAMES))
    periods = np.diff([frame.stamp for frame in frames])
    return frames, float(1e9 / np.median(periods)) if len(periods) else _RENDERED_RATE


def _parameters(arguments: argparse.Namespace) -> dict[str, str]:
    parameters = {'publish_tf': 'false'}
    for name in ('weights', 'device'):
        if value := getattr(arguments, name):
            parameters[f'matcher.{name}'] = value
    for text in arguments.assignments:
        name, equals, value = text.partition('=')
        if not equals:
            raise ValueError(f'--set takes NAME=VALUE, got {text!r}')
        parameters[name] = value
    return parameters
