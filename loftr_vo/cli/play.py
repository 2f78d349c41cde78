# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo play``: a bag as live topics, where there is no ``ros2 bag play``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from loftr_vo.datasets import DatasetError
from loftr_vo.datasets.opening import is_bag


class NoRosError(ValueError):
    """ROS 2 is needed and not installed."""


def register(subparsers: Any) -> None:
    """Add ``play`` to the parser."""
    parser = subparsers.add_parser(
        'play',
        help='publish a bag as live ROS topics, with /clock',
        description=(
            'Publish the messages of a rosbag2 as they were recorded, in real time, and /clock '
            'for nodes with use_sim_time. Publishers are reliable.'
        ),
    )
    parser.add_argument('path', type=Path, metavar='BAG', help='rosbag2 folder, .mcap or .db3')
    parser.add_argument(
        '-r',
        '--rate',
        type=positive_number,
        default=1.0,
        help='times as fast (default: %(default)g)',
    )
    parser.add_argument('-l', '--loop', action='store_true', help='begin again at the end')
    parser.add_argument(
        '--start-offset',
        type=float,
        default=0.0,
        metavar='SECONDS',
        help='leave so much of the beginning out',
    )
    parser.add_argument(
        '--topics', nargs='+', metavar='TOPIC', help='play only these (default: all)'
    )
    parser.add_argument(
        '--remap',
        action='append',
        default=[],
        metavar='FROM:=TO',
        help='publish a topic under another name; may be repeated',
    )
    parser.add_argument(
        '--clock',
        type=float,
        default=40.0,
        metavar='HZ',
        help='how often to publish /clock, besides at every message; 0: never '
        '(default: %(default)g)',
    )
    parser.add_argument(
        '--wait',
        type=positive_number,
        metavar='SECONDS',
        help='before the first message, wait until somebody subscribes to pictures and '
        'calibration; fail if nobody does for so long',
    )
    parser.set_defaults(command=play_command)


def play_command(arguments: argparse.Namespace) -> int:
    """Play the bag."""
    _check_bag(arguments.path)
    with _player(arguments) as (player, seconds):
        _check_player(player, arguments, seconds)
        if arguments.wait is not None:
            player.wait_for_subscribers(arguments.wait)
        _play(player, seconds, arguments.path.name)
        while arguments.loop:
            _play(player, seconds, arguments.path.name)
        player.linger()
    return 0


def _check_bag(path: Path) -> None:
    if not is_bag(path):
        raise DatasetError(f'there is no bag {path}')
    if path.suffix == '.bag':
        raise DatasetError(
            f'{path} is a ROS 1 bag; make a rosbag2 of it with '
            f'"rosbags-convert --src {path} --dst DIR"'
        )


@contextmanager
def _player(arguments: argparse.Namespace) -> Iterator[tuple[Any, float]]:
    """Yield a ``BagPlayer`` with a running ROS node, and the length of the bag in seconds."""
    try:
        import rclpy
        from rclpy.signals import SignalHandlerOptions

        from loftr_vo.ros.player import BagPlayer, PlayOptions
    except ImportError as error:
        raise NoRosError(
            f'playing a bag needs ROS 2 and rosbags ({error}); source a ROS distribution and "pip '
            'install rosbags", or get both with "make setup". "loftr_vo evaluate" reads bags '
            'without ROS'
        ) from error
    from loftr_vo.datasets.bag_file import opened

    options = PlayOptions(
        arguments.rate, arguments.start_offset, arguments.clock, arguments.topics
    )
    remapping = [word for rule in arguments.remap for word in ('-r', rule)]
    context = rclpy.Context()
    # Without rclpy's handlers an interrupt is Python's own, and ends the loop at once.
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        words = ['--ros-args', *remapping]
        node = rclpy.create_node('loftr_vo_player', context=context, cli_args=words)
        with opened(arguments.path) as reader:
            player = BagPlayer(node, reader, arguments.path, options)
            yield player, reader.duration / 1e9
    finally:
        rclpy.shutdown(context=context)


def _play(player: Any, seconds: float, name: str) -> None:
    interval = 0.1 if sys.stderr.isatty() else 10.0
    form = '{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} s'
    with tqdm(total=seconds, desc=name, bar_format=form, mininterval=interval) as bar:
        player.play(lambda over: bar.update(max(over - bar.n, 0.0)))


def _check_player(player: Any, arguments: argparse.Namespace, seconds: float) -> None:
    for topic, kind in player.unknown.items():
        print(
            f'loftr_vo: warning: {topic} is not played: its type {kind} is not installed',
            file=sys.stderr,
        )
    path, offset = arguments.path, arguments.start_offset
    if not player.topics:
        raise DatasetError(f'{path} has no topic that can be played, or none of those named')
    if not 0.0 <= offset < seconds:
        raise DatasetError(f'--start-offset {offset:g} is not within the {seconds:g} s of {path}')


def positive_number(text: str) -> float:
    """Return the number in a word of the command line."""
    value = float(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError(f'must be more than 0, got {text}')
    return value
