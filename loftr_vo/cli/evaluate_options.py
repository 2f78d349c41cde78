# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The options of ``loftr_vo evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from loftr_vo.cli.options import add_sequence_options, add_settings_options
from loftr_vo.cli.thresholds import add_threshold_options
from loftr_vo.cli.truth_options import add_truth_options
from loftr_vo.evaluation.feature_links import BASELINES


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Add all of them."""
    parser.add_argument(
        'paths',
        metavar='PATH',
        nargs='+',
        help='recordings; folders of recordings; globs; @LIST, a file with a path in each line, '
        'or .yaml with options for each; URLs that fsspec knows, such as s3://',
    )
    add_truth_options(parser)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here')
    parser.add_argument(
        '-o',
        '--output',
        metavar='DIR',
        help='write reports, and of several recordings a summary, here; a path or a URL',
    )
    parser.add_argument(
        '--baseline',
        choices=BASELINES,
        help="run a classical odometry instead, to compare LoFTR's with",
    )
    _add_batch_options(parser)
    add_threshold_options(parser)
    add_sequence_options(parser)
    add_settings_options(parser)


def _add_batch_options(parser: argparse.ArgumentParser) -> None:
    batch = parser.add_argument_group('many recordings')
    batch.add_argument(
        '--jobs',
        type=_count,
        metavar='N',
        help='run N recordings side by side, each in a process of its own (default: one after '
        'the other in this process)',
    )
    batch.add_argument(
        '--ray',
        metavar='auto|ADDRESS',
        help='run on a Ray cluster, a task for each recording; auto: the one that RAY_ADDRESS '
        'names or that runs here, or a new one on this machine',
    )
    batch.add_argument(
        '--threads',
        type=_count,
        metavar='N',
        help='threads of each recording (default: the cores divided by --jobs; 1 with --ray)',
    )
    batch.add_argument(
        '--gpus', type=float, metavar='SHARE', help='of a GPU for each task, with --ray'
    )
    batch.add_argument(
        '--resume',
        action='store_true',
        help='leave out what is done in -o with the same code, settings, weights and input',
    )
    batch.add_argument(
        '--repeat',
        type=_count,
        default=1,
        metavar='K',
        help='run each recording K times, with the seeds 1 to K for random numbers of libraries',
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number from 1 on, got {text!r}')
    return int(text)
