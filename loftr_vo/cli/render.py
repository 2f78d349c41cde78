# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo render``: a rendered sequence folder with exact ground truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from loftr_vo.cli.counting import counted
from loftr_vo.datasets import Sequence
from loftr_vo.files.output_files import check_folder

KINDS = ('room', 'street', 'rest', 'turn', 'swing', 'wall')


def register(subparsers: Any) -> None:
    """Add ``render`` to the parser."""
    parser = subparsers.add_parser(
        'render',
        help='render a sequence with exact ground truth',
        description='Render a camera moving through a scene, and write a sequence folder.',
    )
    parser.add_argument('kind', choices=KINDS, help='the scene')
    parser.add_argument(
        '-o', '--output', type=Path, metavar='DIR', help='default: results/KIND-SEED'
    )
    add_scene_options(parser)
    for name, what in (
        ('depth', 'depth images, as a depth camera makes them'),
        ('stereo', 'the pictures of a right camera'),
        ('odometry', 'odometry of wheels, which slip at times'),
        ('imu', 'the measurements of an IMU, and how it sits beside the camera'),
    ):
        parser.add_argument(f'--{name}', action='store_true', help=f'write {what}, too')
    parser.set_defaults(command=render_command)


def add_scene_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``make_scene`` reads."""
    scene = parser.add_argument_group('rendered scenes')
    scene.add_argument('--frames', type=int, default=150, help='default: %(default)s')
    scene.add_argument('--rate', type=float, default=10.0, help='in Hz, default: %(default)s')
    scene.add_argument(
        '--size', type=picture_size, default=(240, 320), metavar='WxH', help='320x240'
    )
    scene.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    scene.add_argument(
        '--contrast', type=float, default=1.0, help='0 to 1; 0.1 leaves walls all but blank'
    )
    scene.add_argument(
        '--noise', type=float, default=1.5, help='in grey levels, default: %(default)s'
    )
    scene.add_argument(
        '--exposure', type=float, default=0.0, help='in s; blurs by motion, default: %(default)s'
    )
    scene.add_argument(
        '--readout',
        type=float,
        default=0.0,
        help='in s, of a rolling shutter that reads row after row, default: %(default)s',
    )
    scene.add_argument(
        '--light', type=float, default=1.0, help='0 to 1; 0.1 is a dim room, default: %(default)s'
    )
    scene.add_argument(
        '--flicker', type=float, default=0.0, help='of the light, as a share, default: %(default)s'
    )
    scene.add_argument(
        '--blur', type=int, default=1, help='in pixels, sideways, default: %(default)s'
    )
    scene.add_argument(
        '--hidden', type=float, default=0.0, help='share of the view behind somebody walking ahead'
    )
    scene.add_argument(
        '--imu-rate', type=float, default=200.0, help='of an IMU, in Hz, default: %(default)s'
    )
    scene.add_argument(
        '--imu-noise',
        type=float,
        default=1.0,
        help='white noise and random walk, 1: of a consumer IMU, default: %(default)s',
    )
    scene.add_argument(
        '--imu-bias',
        type=float,
        default=1.0,
        help='1: 0.01 rad/s and 0.1 m/s^2 in a random direction, default: %(default)s',
    )
    scene.add_argument(
        '--imu-offset',
        type=float,
        default=0.0,
        help="in s, by which the IMU's stamps are ahead of the pictures', default: %(default)s",
    )


def make_scene(kind: str, arguments: argparse.Namespace) -> Sequence:
    """Return the scene of a kind, one of ``KINDS``, as the options say."""
    # Imported late: torch takes seconds to load, and most uses of the command render nothing.
    from loftr_vo.synthetic.inertial import ImuOptions
    from loftr_vo.synthetic.sequence import SyntheticSequence

    return SyntheticSequence(
        kind,
        arguments.frames,
        arguments.size,
        arguments.rate,
        arguments.seed,
        contrast=arguments.contrast,
        noise=arguments.noise,
        exposure=arguments.exposure,
        readout=arguments.readout,
        light=arguments.light,
        flicker=arguments.flicker,
        blur=arguments.blur,
        hidden=arguments.hidden,
        imu=ImuOptions(
            arguments.imu_rate, arguments.imu_noise, arguments.imu_bias, arguments.imu_offset
        ),
    )


def render_command(arguments: argparse.Namespace) -> int:
    """Render the sequence."""
    from loftr_vo.datasets.writing import write_sequence

    sequence = make_scene(arguments.kind, arguments)
    folder = arguments.output or Path('results') / sequence.name
    check_folder(folder)
    for source in ('depth', 'stereo', 'odometry', 'imu'):
        if getattr(arguments, source):
            sequence.provide(source)
    with counted(sequence) as frames:
        write_sequence(sequence, folder, frames)
    print(f'{frames.count} frames written to {folder}')
    return frames.exit_code


def picture_size(text: str) -> tuple[int, int]:
    """Return WxH as (height, width); refuses what is not of this form."""
    try:
        width, height = (int(word) for word in text.split('x'))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f'expected WxH, for example 320x240, got {text}'
        ) from error
    return height, width
