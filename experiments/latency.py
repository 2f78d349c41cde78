# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the whole node: from the stamp of a picture to its odometry, and what takes how long.

The node runs in its own process. This process publishes camera images and subscribes to the
odometry, both over DDS; pictures and markers have no subscriber. The time is split by the
``~/status`` of each picture.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from loftr_vo.datasets import open_sequence
from loftr_vo.evaluation.report import write_json
from loftr_vo.imaging.frame import Frame
from loftr_vo.ros.node_benchmark import stream
from loftr_vo.ros.node_process import (
    LiveNodeError,
    await_ready,
    camera_and_listener,
    keep_to_this_host,
    node_process,
)
from loftr_vo.synthetic.sequence import SyntheticSequence

if TYPE_CHECKING:
    from loftr_vo.ros.odometry_listener import OdometryListener

_RENDERED = 24  # pictures of the rendered camera; it goes there and back again
_WARM_UP = 5  # odometries that do not count
_PATIENCE = 5.0  # seconds for what is under way when the camera stops


@dataclass(frozen=True, eq=False)
class Share:
    """Milliseconds that each of N pictures spent in a stage.

    Attributes:
        name: where.
        times: (N,).
    """

    name: str
    times: np.ndarray

    @property
    def median(self) -> float:
        """Median of ``times``."""
        return float(np.median(self.times))

    @property
    def p95(self) -> float:
        """The 95th percentile."""
        return float(np.percentile(self.times, 95))


def measure(
    frames: list[Frame], rate: float, seconds: float, parameters: dict[str, str], threads: int
) -> list[Share]:
    """Stream pictures to the node and return what its odometries took.

    Args:
        frames: of one camera, sent there and back again.
        rate: Hz.
        seconds: how long.
        parameters: of the node.
        threads: of the network.

    Raises:
        LiveNodeError: the node did not start, or sent too little to measure.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / 'node.log'
        with (
            node_process(log, parameters, threads) as check_node,
            camera_and_listener(frames[0].camera, 'latency_camera', pictures=False) as ends,
        ):
            camera, listener = ends
            await_ready(camera, listener, check_node)
            stream(frames, rate, seconds, camera, check_node)
            time.sleep(_PATIENCE)
            return shares(listener)


def shares(listener: OdometryListener) -> list[Share]:
    """Split the latency of each odometry that was received.

    Raises:
        LiveNodeError: there are too few of them.
    """
    received = [entry for entry in listener.odometry if entry.stamp in listener.statuses][
        _WARM_UP:
    ]
    if len(received) < _WARM_UP:
        raise LiveNodeError(
            f'only {len(listener.odometry)} odometries came, {2 * _WARM_UP} are needed; '
            f'the node says: {listener.last_message}'
        )
    values = [listener.statuses[entry.stamp] for entry in received]

    def column(*keys: str) -> np.ndarray:
        return np.array([sum(float(value.get(key, 0.0)) for key in keys) for value in values])

    total, inside, wait = column('age'), column('latency'), column('wait_ms')
    network, places = column('encode_ms', 'match_ms'), column('locate_ms')
    geometry = column('geometry_ms', 'scale_ms')
    received_after = 1e-6 * np.array([entry.arrival - entry.stamp for entry in received])
    return [
        Share('stamp to odom', total),
        Share('the way to the node', total - inside),
        Share('waiting for the picture before', wait),
        Share('matcher: network', network),
        Share('matcher: sub-pixel places', places),
        Share('geometry', geometry),
        Share('messages', inside - wait - network - places - geometry),
        Share('overhead: all but waiting and network', total - wait - network),
        Share('overhead: all but waiting and matcher', total - wait - network - places),
        Share('the same without geometry', total - wait - network - places - geometry),
        Share('stamp to odom at the listener', received_after),
        Share('keyframe, before the next picture', column('keyframe_ms')),
    ]


def _table(found: Sequence[Share]) -> str:
    lines = [f'{"":38} median    p95  (ms)']
    lines += [f'{share.name:38} {share.median:6.1f} {share.p95:6.1f}' for share in found]
    return '\n'.join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m experiments.latency', description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        'path', nargs='?', type=Path, help='a recording to stream; without, a room is rendered'
    )
    parser.add_argument('--size', default='640x480', help='WxH of the rendered pictures')
    parser.add_argument('--rate', type=float, default=30.0, help='of the camera, in Hz')
    parser.add_argument('--seconds', type=float, default=20.0, help='how long to stream')
    parser.add_argument('--frames', type=int, default=_RENDERED, help='how many pictures to take')
    parser.add_argument('--threads', type=int, default=os.cpu_count() or 1, help='of the network')
    parser.add_argument(
        '--set',
        dest='parameters',
        metavar='NAME:=VALUE',
        action='append',
        default=[],
        help='parameter of the node; may be repeated',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')
    return parser


def _frames(arguments: argparse.Namespace) -> list[Frame]:
    if arguments.path is not None:
        sequence: Any = open_sequence(arguments.path)
    else:
        width, height = (int(side) for side in arguments.size.split('x'))
        sequence = SyntheticSequence('room', arguments.frames, (height, width), rate=30.0)
    return [frame for _, frame in zip(range(arguments.frames), sequence, strict=False)]


def main(words: Sequence[str] | None = None) -> int:
    """Measure by the command line; return the exit code."""
    arguments = _parser().parse_args(words)
    keep_to_this_host()
    torch.set_num_threads(1)
    parameters = {'publish_tf': 'false', **dict(p.split(':=', 1) for p in arguments.parameters)}
    frames = _frames(arguments)
    try:
        found = measure(frames, arguments.rate, arguments.seconds, parameters, arguments.threads)
    except LiveNodeError as error:
        print(f'loftr_vo: {error}', file=sys.stderr)
        return 1
    height, width = frames[0].image.shape
    print(f'{len(found[0].times)} odometries at {width}x{height}, camera at {arguments.rate:g} Hz')
    print(_table(found))
    if arguments.json is not None:
        figures = {share.name: {'median': share.median, 'p95': share.p95} for share in found}
        write_json(arguments.json, figures)
    return 0


if __name__ == '__main__':
    sys.exit(main())
