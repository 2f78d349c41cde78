# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo run`` and ``loftr_vo evaluate``: odometry over recordings."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from loftr_vo.cli.options import (
    add_sequence_options,
    add_settings_options,
    open_from,
    read_settings,
)
from loftr_vo.cli.results import check_outputs, kept, write_figures
from loftr_vo.cli.thresholds import NOT_HELD, add_threshold_options, bounds_hold
from loftr_vo.cli.truth_options import add_truth_options, read_truth_options, tell_doubt
from loftr_vo.config import Settings
from loftr_vo.datasets import Sequence
from loftr_vo.evaluation.classical import BASELINES, ClassicalOdometry
from loftr_vo.evaluation.ground_truth import GroundTruth, find_ground_truth
from loftr_vo.evaluation.html_report import Provenance
from loftr_vo.evaluation.interrupts import interrupted_exit_code
from loftr_vo.evaluation.report import collect_metrics
from loftr_vo.evaluation.report_folder import ReportFolder
from loftr_vo.evaluation.running import Odometry, Run, run_sequence
from loftr_vo.evaluation.scoring import (
    Alignment,
    EvaluationError,
    align,
    require_evo,
    score_alignment,
)
from loftr_vo.evaluation.table import format_table
from loftr_vo.files.text import printable
from loftr_vo.geometry.trajectory import Trajectory

# The exit code of bad input, and of results that could not be written.
FAILED = 2


@dataclass(frozen=True)
class _Engine:
    """What estimates the motion, and how it is named in the metrics."""

    odometry: Odometry
    weights: str
    device: str


def register(subparsers: Any) -> None:
    """Add ``run`` and ``evaluate`` to the parser."""
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
    add_sequence_options(run)
    add_settings_options(run)
    run.set_defaults(command=run_command)

    evaluate = subparsers.add_parser(
        'evaluate',
        help='run and score against ground truth',
        description='Run the odometry on recordings and score it against their ground truth.',
    )
    evaluate.add_argument('paths', type=Path, metavar='PATH', nargs='+', help='recordings')
    add_truth_options(evaluate)
    evaluate.add_argument('--json', type=Path, metavar='FILE', help='write the figures here')
    evaluate.add_argument('-o', '--output', type=Path, metavar='DIR', help='write a report here')
    evaluate.add_argument(
        '--baseline',
        choices=BASELINES,
        help="run a classical odometry instead, to compare LoFTR's with",
    )
    add_threshold_options(evaluate)
    add_sequence_options(evaluate)
    add_settings_options(evaluate)
    evaluate.set_defaults(command=evaluate_command)


def run_command(arguments: argparse.Namespace) -> int:
    """Run one recording and write its trajectory and report."""
    settings = read_settings(arguments)
    sequence = open_from(arguments.path, arguments)
    sequence.provide(settings.scale.source)
    report = ReportFolder(arguments.output or Path('results') / sequence.name)
    engine = _make_engine(settings, None)
    with kept(report):
        run = run_sequence(sequence, engine.odometry, _progress(sequence), report.keep)
        frames = _frames(sequence, run)
        metrics = collect_metrics(sequence.name, frames, run, None, engine.weights, engine.device)
        provenance = _provenance(sequence, run, arguments, None)
        report.write(run, metrics, settings, None, provenance)
    print(
        f'{metrics["tracked"]} of {metrics["frames"]} frames tracked, '
        f'{run.latency_ms_median:.0f} ms per frame; see {report.path / "report.html"}'
    )
    _tell_if_lost(sequence, run)
    if run.interrupted:
        return interrupted_exit_code()
    return FAILED if run.fault or report.problems else 0


def evaluate_command(arguments: argparse.Namespace) -> int:
    """Run and score recordings, and print a table with a row for each."""
    require_evo()
    settings = read_settings(arguments)
    several = len(arguments.paths) > 1
    if arguments.ground_truth and several:
        raise EvaluationError('--ground-truth is for one PATH; score several one by one')
    sequences = [open_from(path, arguments) for path in arguments.paths]
    _tell_apart(sequences)
    if arguments.baseline is None:
        for sequence in sequences:
            sequence.provide(settings.scale.source)
    wanted = read_truth_options(arguments)
    # Before the first of them is run, which takes long: what is missing is said at once.
    truths = [find_ground_truth(sequence, wanted) for sequence in sequences]
    reports = check_outputs(arguments, sequences)
    rows: list[dict[str, Any]] = []
    interrupted = failed = False
    for sequence, truth, report in zip(sequences, truths, reports, strict=True):
        print(f'{sequence.name}: ground truth: {truth.source}', file=sys.stderr)
        tell_doubt(truth)
        run, metrics = _evaluate_one(sequence, truth, settings, arguments, report)
        rows.append(metrics)
        failed |= bool(run.fault or (report and report.problems))
        interrupted = run.interrupted
        if interrupted:
            break
    print(format_table(rows))
    failed |= not write_figures(arguments, rows, several)
    if interrupted:
        return interrupted_exit_code()
    # A list, so that every recording says what it does not hold.
    held = [bounds_hold(arguments, row) for row in rows]
    if failed:
        return FAILED
    return 0 if all(held) else NOT_HELD


def _evaluate_one(
    sequence: Sequence,
    truth: GroundTruth,
    settings: Settings,
    arguments: argparse.Namespace,
    report: ReportFolder | None,
) -> tuple[Run, dict[str, Any]]:
    """Run and score one recording, report into the folder if there is one; return the figures."""
    engine = _make_engine(settings, arguments.baseline)
    with kept(report):
        keep = report.keep if report else None
        run = run_sequence(sequence, engine.odometry, _progress(sequence), keep)
        alignment = _align(run, truth.trajectory)
        scores = score_alignment(alignment) if alignment else None
        frames = _frames(sequence, run)
        metrics = collect_metrics(
            sequence.name, frames, run, scores, engine.weights, engine.device
        )
        if report is not None:
            provenance = _provenance(sequence, run, arguments, truth)
            report.write(run, metrics, settings, alignment, provenance)
            print(f'report: {report.path / "report.html"}', file=sys.stderr)
    _tell_if_lost(sequence, run)
    return run, metrics


def _tell_apart(sequences: list[Sequence]) -> None:
    """Give recordings of one name different ones: reports go into folders of these names."""
    counts = Counter(sequence.name for sequence in sequences)
    taken: set[str] = set()
    for sequence in sequences:
        if counts[sequence.name] > 1 and sequence.path is not None:
            sequence.name = f'{printable(sequence.path.resolve().parent.name)}-{sequence.name}'
        name, number = sequence.name, 1
        while sequence.name in taken:
            number += 1
            sequence.name = f'{name}-{number}'
        taken.add(sequence.name)


def _make_engine(settings: Settings, baseline: str | None) -> _Engine:
    if baseline is not None:
        return _Engine(ClassicalOdometry(baseline), baseline, 'cpu')
    # Imported late: the baselines and the messages of bad input need no torch.
    from loftr_vo.matching.device import resolve_device
    from loftr_vo.odometry import VisualOdometry

    device = str(resolve_device(settings.matcher.device))
    return _Engine(VisualOdometry(settings), settings.matcher.weights, device)


def _provenance(
    sequence: Sequence, run: Run, arguments: argparse.Namespace, truth: GroundTruth | None
) -> Provenance:
    notes = [truth.doubt if truth else '', _left_out(sequence), _early_end(run)]
    calibration = f', calibration {sequence.calibration}' if sequence.calibration else ''
    return Provenance(
        command=arguments.command_line,
        source=printable(f'{sequence.path} ({sequence.kind}){calibration}'),
        ground_truth=printable(truth.source if truth else ''),
        notes=tuple(printable(note) for note in notes if note),
    )


def _early_end(run: Run) -> str:
    if run.interrupted:
        return f'interrupted after {run.frames} frames'
    return run.fault and f'could be read for {run.frames} frames only: {run.fault}'


def _left_out(sequence: Sequence) -> str:
    if not sequence.left_out:
        return ''
    return (
        f'{sequence.left_out} pictures came late or twice, by the stamps in their headers: '
        'left out'
    )


def _align(run: Run, truth: Trajectory) -> Alignment | None:
    try:
        # What was said not to be in metres is not scored as if it were.
        estimated = run.metric_trajectory if run.metric else run.trajectory
        return align(estimated, truth, run.metric)
    except EvaluationError as error:
        # An odometry that found no path is a result too: none of the frames tracked.
        print(f'loftr_vo: warning: not scored: {error}', file=sys.stderr)
        return None


def _frames(sequence: Sequence, run: Run) -> int:
    """Return how many frames there are; a run that ended early has not seen them all."""
    return run.frames if run.complete else len(sequence)


def _progress(sequence: Sequence) -> Any:
    # A log file gets a line now and then, a terminal a moving bar.
    interval = 0.1 if sys.stderr.isatty() else 10.0

    def wrap(frames: Iterable[Any]) -> Iterable[Any]:
        return tqdm(
            frames, sequence.name, len(sequence), unit='frame', mininterval=interval, leave=False
        )

    return wrap


def _tell_if_lost(sequence: Sequence, run: Run) -> None:
    if sequence.left_out:
        print(f'loftr_vo: warning: {_left_out(sequence)}', file=sys.stderr)
    if run.interrupted:
        print(f'loftr_vo: {_early_end(run)}', file=sys.stderr)
    if run.fault:
        print(f'loftr_vo: error: {_early_end(run)}', file=sys.stderr)
    if run.tracked < run.frames:
        index, reason = run.first_untracked()
        print(
            f'loftr_vo: warning: {run.frames - run.tracked} frames are not tracked, the first is '
            f'frame {index}: {reason}',
            file=sys.stderr,
        )
