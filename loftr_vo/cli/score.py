# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo score``: a trajectory that was estimated earlier, against ground truth."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from loftr_vo.cli.thresholds import NOT_HELD, add_threshold_options, bounds_hold
from loftr_vo.cli.truth_options import add_truth_options, print_doubt, read_truth_options
from loftr_vo.datasets import DatasetError
from loftr_vo.datasets.opening import is_bag
from loftr_vo.evaluation.ground_truth import (
    GroundTruth,
    TruthOptions,
    carry,
    transforms_of,
    truth_track,
)
from loftr_vo.evaluation.report import write_json
from loftr_vo.evaluation.scoring import (
    EvaluationError,
    align,
    require_evo,
    score_alignment,
)
from loftr_vo.evaluation.table import format_table
from loftr_vo.files.output_files import check_writable
from loftr_vo.files.text import printable
from loftr_vo.geometry.trajectory import Trajectory


@dataclasses.dataclass(frozen=True)
class _Estimate:
    """What is scored.

    Attributes:
        poses: of the same frame as the ground truth.
        frames, tracked: how many frames were worked on, and how many of these have a pose.
        metric: whether lengths are metres; None where that is not known.
        knows_lost: whether ``frames`` counts those that were lost.
    """

    poses: GroundTruth
    frames: int
    tracked: int
    metric: bool | None
    knows_lost: bool


def register(subparsers: Any) -> None:
    """Add ``score`` to the parser."""
    parser = subparsers.add_parser(
        'score',
        help='score a recorded trajectory against ground truth',
        description='Score the odometry in a bag, or a trajectory file, against ground truth.',
    )
    parser.add_argument(
        'path', type=Path, metavar='TRAJECTORY|BAG', help='a file (TUM format), or a bag'
    )
    parser.add_argument(
        '--topic', metavar='TOPIC', help='the odometry, of a bag with several (nav_msgs/Odometry)'
    )
    add_truth_options(parser)
    parser.add_argument(
        '--metric',
        action='store_true',
        help="the trajectory's lengths are metres: align it without scaling",
    )
    parser.add_argument(
        '--frames',
        type=int,
        metavar='N',
        help='how many pictures there were, for --min-tracked (default: as many as ~/status in '
        'the bag counts)',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here')
    add_threshold_options(parser)
    parser.set_defaults(command=score_command)


def score_command(arguments: argparse.Namespace) -> int:
    """Score the trajectory and print a row of figures."""
    require_evo()
    if arguments.json:
        check_writable(arguments.json)
    wanted = read_truth_options(arguments)
    if not arguments.path.exists():
        raise DatasetError(f'there is no trajectory or bag {arguments.path}')
    estimate, truth = _both(arguments.path, arguments.topic, wanted)
    if _cannot_count_lost(arguments, estimate):
        print(
            f'loftr_vo: --min-tracked {arguments.min_tracked:g} cannot be checked: '
            f'{arguments.path} has the poses only, not the frames that were lost; say with '
            '--frames how many pictures there were',
            file=sys.stderr,
        )
        return NOT_HELD
    print_doubt(estimate.poses)
    metric = arguments.metric or bool(estimate.metric)
    scores = score_alignment(align(estimate.poses.trajectory, truth.trajectory, metric))
    metrics = {
        'sequence': printable(arguments.path.resolve().stem),
        'frames': estimate.frames if arguments.frames is None else arguments.frames,
        'tracked': estimate.tracked,
        **dataclasses.asdict(scores),
        'metric': metric,
    }
    print(format_table([metrics]))
    if arguments.json:
        write_json(arguments.json, metrics)
    return 0 if bounds_hold(arguments, metrics) else NOT_HELD


def _cannot_count_lost(arguments: argparse.Namespace, estimate: _Estimate) -> bool:
    """Whether --min-tracked is given and nothing says how many frames were lost."""
    given = arguments.min_tracked is not None
    return given and arguments.frames is None and not estimate.knows_lost


def _both(path: Path, topic: str | None, wanted: TruthOptions) -> tuple[_Estimate, GroundTruth]:
    """Return the estimate, transformed to the frame of the ground truth, and the ground truth."""
    from loftr_vo.datasets.bag_poses import Track
    from loftr_vo.datasets.recorded_odometry import RecordedOdometry, read_recorded_odometry

    truth_path = wanted.path or path
    if is_bag(path):
        recorded = read_recorded_odometry(path, topic, [wanted.topic] if wanted.topic else [])
    else:
        poses = Trajectory.read_tum(path)
        recorded = RecordedOdometry(Track(poses, '', str(path)), '', len(poses), len(poses))
    if is_bag(truth_path):
        but = [recorded.topic] if truth_path == path else []
        true = truth_track(truth_path, wanted, but)
    elif wanted.path is None:
        raise EvaluationError(f'name the ground truth of {path} with --ground-truth FILE|BAG')
    else:
        true = Track(Trajectory.read_tum(truth_path), '', str(truth_path))
    tree = transforms_of({each for each in (path, truth_path) if is_bag(each)})
    estimate = carry(recorded.track, true.frame, tree, wanted.extrinsics)
    return (
        _Estimate(
            estimate, recorded.frames, recorded.tracked, recorded.metric, recorded.knows_lost
        ),
        GroundTruth(true.trajectory, true.source),
    )
