# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo topics``: which topics of a bag the odometry takes, and whether it can be scored."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from loftr_vo.cli.options import add_sequence_options, open_from
from loftr_vo.cli.truth_options import add_truth_options, read_truth_options
from loftr_vo.config import SCALE_SOURCES
from loftr_vo.datasets import DatasetError, Sequence
from loftr_vo.datasets.bag_file import opened, topic_types
from loftr_vo.datasets.camera_topics import camera_info_beside
from loftr_vo.datasets.opening import is_bag
from loftr_vo.evaluation.ground_truth import TruthOptions, find_ground_truth
from loftr_vo.evaluation.scoring import EvaluationError

_COMPRESSED = '/compressed'
_COMPRESSED_DEPTH = '/compressedDepth'


def register(subparsers: Any) -> None:
    """Add ``topics`` to the parser."""
    parser = subparsers.add_parser(
        'topics',
        help='say which topics of a bag the odometry takes',
        description=(
            "Say which topics of a bag are the camera's and the ground truth; they are found by "
            'their types.'
        ),
    )
    parser.add_argument('path', type=Path, metavar='BAG', help='rosbag2 folder, .mcap or .db3')
    add_sequence_options(parser)
    add_truth_options(parser)
    parser.add_argument(
        '--scale-source',
        choices=SCALE_SOURCES,
        default='none',
        help='find the topics of this scale.source too; it is an error if they are missing',
    )
    parser.add_argument('--json', action='store_true', help='write them as JSON')
    parser.set_defaults(command=topics_command)


def topics_command(arguments: argparse.Namespace) -> int:
    """Print the topics."""
    if not arguments.path.exists():
        raise DatasetError(f'there is no bag {arguments.path}')
    if not is_bag(arguments.path):
        raise DatasetError(
            f'{arguments.path} is no bag: name a rosbag2 folder, .mcap or .db3 file'
        )
    sequence = open_from(arguments.path, arguments)
    sequence.provide(arguments.scale_source)
    facts = {
        **_camera(sequence),
        **_scale(sequence, arguments.path, arguments.scale_source),
        **_truth(sequence, read_truth_options(arguments)),
    }
    if arguments.json:
        print(json.dumps(facts))
    else:
        print('\n'.join(f'{name.replace("_", " "):<16}{value}' for name, value in facts.items()))
    return 0


def _camera(bag: Any) -> dict[str, Any]:
    """Return the node's launch arguments for the camera; ``bag`` is a ``BagSequence``."""
    topic = bag.image_topic
    transport = 'compressed' if topic.endswith(_COMPRESSED) else 'raw'
    return {
        'image': topic.removesuffix(_COMPRESSED),
        'image_transport': transport,
        'camera_info': bag.camera_info_topic,
        'calibration': bag.calibration,
        'camera_frame': bag.camera_frame,
        'frames': len(bag),
    }


def _scale(bag: Any, path: Path, source: str) -> dict[str, Any]:
    """Return the topics of a source of scale, under the names of the node's launch arguments.

    Raises:
        DatasetError: right pictures come by another transport than the left ones, or without a
            calibration.
    """
    if source == 'depth':
        topic = bag.companion_topic(source)
        compressed = topic.endswith(_COMPRESSED_DEPTH)
        return {
            'depth': topic.removesuffix(_COMPRESSED_DEPTH),
            'depth_transport': 'compressedDepth' if compressed else 'raw',
        }
    if source == 'odometry':
        return {'scale_odom': bag.companion_topic(source)}
    if source == 'imu':
        return {'imu': bag.companion_topic(source)}
    if source != 'stereo':
        return {}
    right = bag.companion_topic(source)
    if right.endswith(_COMPRESSED) != bag.image_topic.endswith(_COMPRESSED):
        raise DatasetError(
            f'of {bag.image_topic} and {right} one is compressed and one is not: the node takes '
            'both by one image_transport'
        )
    with opened(path) as reader:
        info = camera_info_beside(topic_types(reader), right)
    if info is None:
        raise DatasetError(f'{path} has no CameraInfo beside {right}, the right pictures')
    return {'right_image': right.removesuffix(_COMPRESSED), 'right_camera_info': info}


def _truth(sequence: Sequence, wanted: TruthOptions) -> dict[str, Any]:
    """Return the source of the true poses, or why there is none."""
    try:
        truth = find_ground_truth(sequence, wanted)
    except EvaluationError as error:
        if wanted.path or wanted.topic or wanted.tf_frames:
            raise
        return {'ground_truth': None, 'no_ground_truth': str(error)}
    return {'ground_truth': truth.source, 'ground_truth_topic': truth.topic}
