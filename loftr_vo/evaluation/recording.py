# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""One recording from the first frame to its report."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from loftr_vo.config import Settings
from loftr_vo.datasets import Sequence
from loftr_vo.evaluation.engine import Engine
from loftr_vo.evaluation.ground_truth import GroundTruth
from loftr_vo.evaluation.html_report import Provenance
from loftr_vo.evaluation.interrupts import results_kept
from loftr_vo.evaluation.report import collect_metrics
from loftr_vo.evaluation.report_folder import ReportFolder
from loftr_vo.evaluation.run_record import Run
from loftr_vo.evaluation.running import Show, run_sequence
from loftr_vo.evaluation.scoring import Alignment, EvaluationError, align, score_alignment
from loftr_vo.files.text import printable
from loftr_vo.geometry.trajectory import Trajectory

# A progress bar such as tqdm, and where messages for the user go.
Progress = Callable[[Iterable[Any]], Iterable[Any]]
Log = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The results of a recording.

    Attributes:
        run: the estimates.
        metrics: as ``collect_metrics`` gives them.
        alignment: of the estimate with the ground truth; None where it was not scored.
    """

    run: Run
    metrics: dict[str, Any]
    alignment: Alignment | None


def print_to_stderr(message: str) -> None:
    """Print a message to stderr under the command's name."""
    print(f'loftr_vo: {message}', file=sys.stderr)


def run_recording(
    sequence: Sequence,
    truth: GroundTruth | None,
    settings: Settings,
    engine: Engine,
    report: ReportFolder | None,
    command: str,
    progress: Progress,
    log: Log = print_to_stderr,
    show: Show | None = None,
) -> Outcome:
    """Run an odometry over a recording, score it, and write its report.

    Args:
        sequence: the recording.
        truth: to score against; None to leave that out.
        settings: that the engine was made with.
        engine: a new one, which has seen no frame.
        report: the folder to write to; None to write nothing.
        command: the command line, for the report.
        progress: wraps the frames.
        log: called with each warning and error, a line of text.
        show: called with each frame, as ``run_sequence`` has it.

    Raises:
        DatasetError, CalibrationError: the first frame cannot be used.
    """
    with kept(report, log):
        keep = report.keep if report else None
        run = run_sequence(sequence, engine.odometry, progress, keep, show)
        alignment = _align(run, truth.trajectory, log) if truth else None
        scores = score_alignment(alignment) if alignment else None
        # A run that ended early has not seen all frames.
        frames = run.frames if run.complete else len(sequence)
        metrics = collect_metrics(
            sequence.name, frames, run, scores, engine.weights, engine.device, alignment
        )
        if report is not None:
            provenance = _provenance(sequence, run, command, truth)
            report.write(run, metrics, settings, alignment, provenance)
    for message in _warnings(sequence, run):
        log(message)
    return Outcome(run, metrics, alignment)


@contextlib.contextmanager
def kept(report: ReportFolder | None, log: Log = print_to_stderr) -> Iterator[None]:
    """Run a block that writes a report; log the files that it leaves out or does not finish."""
    if report is None:
        yield
        return
    try:
        with results_kept(), report:
            yield
    except BaseException:
        _log_unfinished(report, log)
        raise
    for problem in report.problems:
        log(f'error: {problem}; left out')
    if report.problems:
        _log_unfinished(report, log)


def _log_unfinished(report: ReportFolder, log: Log) -> None:
    if report.unfinished is not None:
        log(f'the poses so far are in {report.unfinished}')


def _align(run: Run, truth: Trajectory, log: Log) -> Alignment | None:
    try:
        # Poses from before the scale was known are not in metres, and are left out.
        estimated = run.metric_trajectory if run.metric else run.trajectory
        return align(estimated, truth, run.metric)
    except EvaluationError as error:
        # An odometry without a path is a result, too: no frame is tracked.
        log(f'warning: not scored: {error}')
        return None


def _provenance(
    sequence: Sequence, run: Run, command: str, truth: GroundTruth | None
) -> Provenance:
    notes = [truth.doubt if truth else '', _left_out(sequence), _early_end(run)]
    notes.append(run.calibration.suspicion)
    calibration = f', calibration {sequence.calibration}' if sequence.calibration else ''
    return Provenance(
        command=command,
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


def _warnings(sequence: Sequence, run: Run) -> Iterator[str]:
    if sequence.left_out:
        yield f'warning: {_left_out(sequence)}'
    if run.calibration.suspicion:
        yield f'warning: {run.calibration.suspicion}'
    if run.interrupted:
        yield _early_end(run)
    if run.fault:
        yield f'error: {_early_end(run)}'
    if run.tracked < run.frames:
        index, reason = run.first_untracked()
        yield (
            f'warning: {run.frames - run.tracked} frames are not tracked, the first is '
            f'frame {index}: {reason}'
        )
