# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo run``: odometry over one recording."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from loftr_vo.cli.options import (
    add_sequence_options,
    add_settings_options,
    open_from,
    read_settings,
)
from loftr_vo.datasets import Sequence
from loftr_vo.evaluation import engine as engines
from loftr_vo.evaluation.interrupts import interrupted_exit_code
from loftr_vo.evaluation.recording import run_recording
from loftr_vo.evaluation.report_folder import ReportFolder
from loftr_vo.evaluation.rerun_file import RerunFile

# The exit code of bad input, and of results that could not be written.
FAILED = 2


def register(subparsers: Any) -> None:
    """Add ``run`` to the parser."""
    run = subparsers.add_parser(
        'run',
        help='trajectory from a bag, folder or video',
        description='Estimate the motion of the camera that took a recording.',
    )
    run.add_argument('path', type=Path, metavar='PATH', help='bag, folder or video')
    run.add_argument(
        '-o',
        '--output',
        type=Path,
        metavar='DIR',
        help='where the trajectory and the report go (default: results/NAME, where NAME is that '
        'of the recording)',
    )
    run.add_argument(
        '--rerun',
        type=Path,
        metavar='FILE.rrd',
        help='also write a file for the viewer Rerun: pictures, matches, poses, points, figures '
        '(needs the extra "rerun")',
    )
    add_sequence_options(run)
    add_settings_options(run)
    run.set_defaults(command=run_command)


def run_command(arguments: argparse.Namespace) -> int:
    """Run one recording and write its trajectory and report."""
    settings = read_settings(arguments)
    sequence = open_from(arguments.path, arguments)
    sequence.provide_for(settings)
    report = ReportFolder(arguments.output or Path('results') / sequence.name)
    rerun = RerunFile(arguments.rerun) if arguments.rerun else None
    engine = engines.make_engine(settings, None)
    outcome = run_recording(
        sequence,
        None,
        settings,
        engine,
        report,
        arguments.command_line,
        frame_bar(sequence),
        show=rerun.write if rerun is not None else None,
    )
    if rerun is not None:
        rerun.close(outcome.run)
    run, metrics = outcome.run, outcome.metrics
    print(
        f'{metrics["tracked"]} of {metrics["frames"]} frames tracked, '
        f'{run.latency_ms_median:.0f} ms per frame; see {report.path / "report.html"}'
    )
    if run.interrupted:
        return interrupted_exit_code()
    return FAILED if run.fault or report.problems else 0


def frame_bar(sequence: Sequence) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """Return the frames of a sequence behind a progress bar on stderr."""

    def wrap(frames: Iterable[Any]) -> Iterable[Any]:
        return tqdm(
            frames,
            sequence.name,
            len(sequence),
            unit='frame',
            mininterval=bar_interval(),
            leave=False,
        )

    return wrap


def bar_interval() -> float:
    """Return the seconds between two updates: few in a terminal, more in a log file."""
    return 0.1 if sys.stderr.isatty() else 10.0
