# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo benchmark``: how fast the matcher is, beside a peer; or the whole node."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from loftr_vo.cli.options import add_network_options
from loftr_vo.config import MatcherSettings
from loftr_vo.evaluation.report import write_json
from loftr_vo.files.output_files import check_writable

_PRECISIONS = ('auto', 'float32', 'float16', 'bfloat16')
_SMALLEST, _LARGEST = 64, 2048


def register(subparsers: Any) -> None:
    """Add ``benchmark`` to the parser."""
    parser = subparsers.add_parser(
        'benchmark',
        help='how fast the matcher is here, beside a peer; or the whole node',
        description=(
            'Stream rendered pictures through the matcher and time it; with --peer, in turn with '
            'another implementation on the same pictures. Published architectures get the same '
            'weights and see the same size; for compact, which sees a shrunk picture by default '
            'and which no peer has, the peer runs the published architecture at the full size. '
            'With --node, pictures are streamed to the node as a process of its own instead.'
        ),
    )
    parser.add_argument(
        'path', nargs='?', type=Path, metavar='RECORDING', help='for --node: stream this one'
    )
    add_network_options(parser)
    parser.add_argument(
        '--size', type=_size, default=(640, 480), metavar='WxH', help='of the camera (640x480)'
    )
    parser.add_argument('--precision', choices=_PRECISIONS, default='auto')
    parser.add_argument('--peer', choices=('kornia',), help='time this one too, in turn')
    parser.add_argument(
        '--rounds', type=_count, default=5, metavar='N', help='turns of each (default: 5)'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here')
    parser.add_argument(
        '-o',
        '--timeline',
        type=Path,
        metavar='PICTURE',
        help='draw when each stage of a few streamed frames ran; of the node, how late it is',
    )
    node = parser.add_argument_group('the node')
    node.add_argument(
        '--node', action='store_true', help='measure the whole node over DDS, from stamp to odom'
    )
    node.add_argument(
        '--rate',
        type=_rate,
        metavar='HZ',
        help="of the camera (default: the recording's own, 30 where a room is rendered)",
    )
    node.add_argument(
        '--seconds', type=_rate, default=20.0, metavar='S', help='how long (default: 20)'
    )
    node.add_argument(
        '--threads', type=_count, metavar='N', help='of the network (default: as the node does)'
    )
    node.add_argument(
        '--set',
        dest='assignments',
        metavar='NAME=VALUE',
        action='append',
        default=[],
        help='a parameter of the node, for example --set matcher.when=every_frame',
    )
    parser.set_defaults(command=benchmark_command)


def benchmark_command(arguments: argparse.Namespace) -> int:
    """Measure, print a table, write what was asked for."""
    if arguments.node:
        from loftr_vo.cli.benchmark_node import benchmark_node

        return benchmark_node(arguments)
    if arguments.path:
        raise ValueError('a recording is streamed to the node: add --node')
    _check_outputs(arguments)
    # Imported late: bad arguments are refused without loading torch.
    from loftr_vo.evaluation.timing.comparing import Plan, compare, settings_for

    settings = settings_for(
        arguments.weights or MatcherSettings().weights,
        arguments.device or MatcherSettings().device,
        arguments.precision,
    )
    plan = Plan(settings, arguments.size, arguments.peer, arguments.rounds)
    figures = compare(plan, lambda text: print(f'{text} ...', file=sys.stderr))
    print(table(figures))
    if arguments.json:
        write_json(arguments.json, figures)
    if arguments.timeline:
        from loftr_vo.evaluation.timing.timeline import draw_timeline, overlap, trace_odometry

        spans = trace_odometry(settings, arguments.size)
        share = overlap(spans, 'geometry', ('encode', 'match'))
        title = (
            f'{figures["weights"]} on {figures["device"]}, {figures["size"]}: '
            f'the network is at work in {100 * share:.0f} % of the time of geometry'
        )
        draw_timeline(spans, arguments.timeline, title)
    return 0


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Make sure, before the minutes that measuring takes, that its figures can be written."""
    if arguments.json:
        check_writable(arguments.json)
    if arguments.timeline:
        from loftr_vo.evaluation.plots import check_figure_name

        check_figure_name(arguments.timeline)
        check_writable(arguments.timeline)


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a table for people."""
    rows = [
        ('device', figures['device']),
        ('camera, network sees', f'{figures["size"]}, {figures["working_size"]}'),
        ('weights, precision', f'{figures["weights"]}, {figures["precision"]}'),
        ('streamed frame, median', f'{figures["ours_ms_median"]:.1f} ms'),
        ('  95 % are below', f'{figures["ours_ms_p95"]:.1f} ms'),
        ('  frames a second', f'{figures["frames_per_second"]:.1f}'),
        *(
            (f'  {stage}', f'{milliseconds:.1f} ms')
            for stage, milliseconds in figures['stages_ms'].items()
        ),
        ('matches', figures['matches']),
        ('host memory', f'{figures["host_memory_mib"]:.0f} MiB'),
    ]
    if figures['gpu_memory_mib'] is not None:
        rows.append(('GPU memory', f'{figures["gpu_memory_mib"]:.0f} MiB'))
    if figures['peer']:
        name = figures['peer']
        rows += [
            (f'{name} ({figures["peer_weights"]}), a pair', f'{figures["peer_ms_median"]:.1f} ms'),
            (f'{name} / streamed frame', f'{figures["ratio"]:.1f}'),
        ]
        if figures['ratio_amp'] is not None:
            rows += [
                (f'{name} with autocast, a pair', f'{figures["peer_amp_ms_median"]:.1f} ms'),
                (f'{name} with autocast / streamed frame', f'{figures["ratio_amp"]:.1f}'),
            ]
    width = max(len(name) for name, _ in rows)
    return '\n'.join(f'{name.ljust(width)}  {value}' for name, value in rows)


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(word) for word in text.lower().split('x'))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} is not WxH, for example 640x480') from error
    if not _SMALLEST <= min(width, height) <= max(width, height) <= _LARGEST:
        raise argparse.ArgumentTypeError(
            f'{text}: each side must be between {_SMALLEST} and {_LARGEST} pixels'
        )
    return width, height


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number above zero')
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from 1 to 1000')
    return int(text)
