# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Does a task: opens, runs, scores, reports, and returns the result."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np

from loftr_vo.datasets import Sequence
from loftr_vo.evaluation import engine as engines
from loftr_vo.evaluation.batch import result as results
from loftr_vo.evaluation.batch import storage
from loftr_vo.evaluation.batch.fingerprint import fingerprint
from loftr_vo.evaluation.batch.result import Result
from loftr_vo.evaluation.batch.task import Task, open_task
from loftr_vo.evaluation.ground_truth import find_ground_truth
from loftr_vo.evaluation.interrupts import was_interrupted
from loftr_vo.evaluation.recording import Log, run_recording
from loftr_vo.evaluation.report_folder import ReportFolder
from loftr_vo.files.output_files import OutputError
from loftr_vo.files.text import printable

# Returns the frames of a sequence behind a progress bar.
MakeProgress = Callable[[Sequence], Callable[[Iterable[Any]], Iterable[Any]]]


def attempt(task: Task, progress: MakeProgress, log: Log | None = None) -> Result:
    """Do a task; errors become part of the result.

    Args:
        task: to do.
        progress: makes a progress bar.
        log: called with each message; None to have them in the result only.
    """
    messages: list[str] = []
    try:
        return perform(task, progress, log or messages.append, messages)
    except Exception as error:
        if was_interrupted():
            raise KeyboardInterrupt from error
        known = isinstance(error, (ValueError, OSError)) and not isinstance(
            error, np.linalg.LinAlgError
        )
        if not known:
            # A fault of the program: keep the traceback.
            messages.append(traceback.format_exc())
        reason = str(error) if known else f'{type(error).__name__}: {error}'
        return store_failure(results.failed(task, printable(reason), messages), task)


def perform(
    task: Task, progress: MakeProgress, log: Log, messages: list[str] | None = None
) -> Result:
    """Do a task and write its result.

    Raises:
        ValueError, OSError: the recording, its ground truth or its settings cannot be used, or
            the report cannot be written.
    """
    mark = fingerprint(task) if task.output is not None and task.code else {}
    if task.resume and (earlier := _finished(task, mark)):
        return earlier
    with storage.local_copy(task.source) as path, _report(task) as report:
        sequence = open_task(task, path)
        truth = find_ground_truth(sequence, task.options.truth)
        log(f'{sequence.name}: ground truth: {printable(truth.source)}')
        if truth.doubt:
            log(f'warning: {truth.doubt}')
        engine = engines.make_engine(task.settings, task.baseline)
        _prepare(task)
        outcome = run_recording(
            sequence,
            truth,
            task.settings,
            engine,
            report,
            task.command,
            progress(sequence),
            log,
        )
    run = outcome.run
    result = Result(
        sequence.name,
        task.repeat,
        results.status_of(run),
        run.fault or '; '.join(report.problems if report else []),
        outcome.metrics,
        messages or [],
        mark,
        results.thumbnail_of(run, outcome.alignment),
    )
    if result.error and result.status == results.DONE:
        result.status = results.DAMAGED
    if task.output is not None and mark:
        results.save(result, task.output)
    return result


def store_failure(result: Result, task: Task) -> Result:
    """Write the result of a failed task, as far as that is possible, and return it."""
    if task.output is not None and task.code:
        with contextlib.suppress(OutputError, ValueError):
            results.save(result, task.output)
    return result


def _finished(task: Task, mark: dict[str, str]) -> Result | None:
    """Return an earlier result that is complete and of the same fingerprint."""
    assert task.output is not None
    earlier = results.load(task.output)
    if earlier is None or earlier.status != results.DONE or earlier.fingerprint != mark:
        return None
    earlier.resumed = True
    return earlier


@contextlib.contextmanager
def _report(task: Task) -> Iterator[ReportFolder | None]:
    with storage.local_folder(task.output) as folder:
        yield None if folder is None else ReportFolder(folder)


def _prepare(task: Task) -> None:
    """Set threads and seeds, once the engine has loaded the libraries that it needs."""
    import sys

    torch = sys.modules.get('torch')
    if task.threads is not None:
        cv2.setNumThreads(task.threads)
        if torch is not None:
            torch.set_num_threads(task.threads)
    if task.repeat:
        cv2.setRNGSeed(task.repeat)
        if torch is not None:
            torch.manual_seed(task.repeat)
