# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The options for the source of the ground truth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from loftr_vo.evaluation.ground_truth import GroundTruth, TruthOptions, parse_extrinsics

_EXTRINSICS = """\
pose of the camera's optical frame on the robot, "X Y Z QX QY QZ QW" as tf2_echo prints it, or the
word optical: a camera at the robot's origin that looks along its x axis"""


def add_truth_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``read_truth_options`` reads."""
    parser.add_argument(
        '--ground-truth',
        type=Path,
        metavar='FILE|BAG',
        help="true trajectory (TUM format), or a bag with it (default: the recording's own)",
    )
    parser.add_argument(
        '--ground-truth-topic', metavar='TOPIC', help='of a bag with several topics of poses'
    )
    parser.add_argument(
        '--ground-truth-tf',
        nargs=2,
        metavar=('WORLD', 'FRAME'),
        help='take the true poses from the TF in a bag: those of FRAME in WORLD',
    )
    parser.add_argument('--extrinsics', type=_pose, metavar='POSE', help=_EXTRINSICS)


def read_truth_options(arguments: argparse.Namespace) -> TruthOptions:
    """Return the options as ``TruthOptions``."""
    frames = arguments.ground_truth_tf
    return TruthOptions(
        path=arguments.ground_truth,
        topic=arguments.ground_truth_topic,
        tf_frames=None if frames is None else (frames[0], frames[1]),
        extrinsics=arguments.extrinsics,
    )


def print_doubt(truth: GroundTruth) -> None:
    """Print to stderr what may be wrong with the ground truth."""
    if truth.doubt:
        print(f'loftr_vo: warning: {truth.doubt}', file=sys.stderr)


def _pose(text: str) -> np.ndarray:
    try:
        return parse_extrinsics(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
