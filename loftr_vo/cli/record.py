# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo record``: any recording, or a rendered scene, as a rosbag2."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from loftr_vo.cli.counting import counted
from loftr_vo.cli.options import add_sequence_options, open_from
from loftr_vo.cli.render import KINDS, add_scene_options, make_scene
from loftr_vo.datasets import DatasetError, Sequence
from loftr_vo.datasets.opening import is_bag
from loftr_vo.files.output_files import check_folder

_STORAGES = ('mcap', 'sqlite3')
_COMPRESSIONS = ('none', 'message', 'file', 'chunk')
_PICTURES = ('raw', 'png', 'jpeg')
BESIDES = ('depth', 'stereo', 'odometry', 'imu')
_GROUND_TRUTHS = ('odometry', 'pose', 'none')


def register(subparsers: Any) -> None:
    """Add ``record`` to the parser."""
    parser = subparsers.add_parser(
        'record',
        help='write a recording or a rendered scene as a rosbag2',
        description=(
            'Write a folder, a KITTI, TUM or EuRoC sequence, a video or a rendered scene as a '
            'rosbag2 with camera_info, a static transform and, where known, ground truth. '
            'Pictures are written grey, as the odometry sees them.'
        ),
    )
    parser.add_argument(
        'source', metavar='SOURCE', help=f'a recording, or {" or ".join(KINDS)}: a rendered scene'
    )
    parser.add_argument(
        '-o', '--output', type=Path, metavar='BAG', required=True, help='folder to make'
    )
    parser.add_argument(
        '--storage', choices=_STORAGES, default='mcap', help='default: %(default)s'
    )
    parser.add_argument(
        '--compression',
        choices=_COMPRESSIONS,
        default='none',
        help='by zstd: of each message, of the whole file, or of the chunks in an MCAP '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--pictures',
        choices=_PICTURES,
        default='raw',
        help='as Image, or as CompressedImage; png loses nothing (default: %(default)s)',
    )
    parser.add_argument(
        '--truth-type',
        choices=_GROUND_TRUTHS,
        default='odometry',
        help='write true poses as nav_msgs/Odometry, as PoseStamped, or not '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--with',
        dest='besides',
        nargs='+',
        choices=BESIDES,
        help='what to write besides, for the scale (default: what a folder or data set has; of '
        'a bag and of a rendered scene nothing)',
    )
    parser.add_argument(
        '--namespace', default='/camera', help="of the camera's topics (default: %(default)s)"
    )
    add_sequence_options(parser)
    add_scene_options(parser)
    parser.set_defaults(command=record_command)


def record_command(arguments: argparse.Namespace) -> int:
    """Write the bag."""
    try:
        from loftr_vo.datasets.bag_writing import BagOptions, write_bag
    except ImportError as error:
        raise DatasetError(
            f'writing a bag needs the package rosbags ("pip install rosbags"): {error}'
        ) from error

    check_folder(arguments.output.parent)
    sequence = _open(arguments)
    besides = arguments.besides
    if besides is None:
        besides = _all_besides(sequence)
    for source in besides:
        sequence.provide(source)
    options = BagOptions(
        storage=arguments.storage,
        compression=arguments.compression,
        pictures=arguments.pictures,
        ground_truth=arguments.truth_type,
        namespace=arguments.namespace,
    )
    with counted(sequence) as frames:
        write_bag(sequence, arguments.output, options, frames)
    truth = 'with' if sequence.ground_truth and options.ground_truth != 'none' else 'without'
    print(f'{frames.count} frames written to {arguments.output}, {truth} ground truth')
    return frames.exit_code


def _all_besides(sequence: Sequence) -> list[str]:
    """Return which sensors a recording has besides the camera; none of a bag."""
    if sequence.path is None or is_bag(sequence.path):
        return []
    return [source for source in BESIDES if not sequence.lacks(source)]


def _open(arguments: argparse.Namespace) -> Sequence:
    path = Path(arguments.source)
    if arguments.source in KINDS and not path.exists():
        return make_scene(arguments.source, arguments)
    return open_from(path, arguments)
