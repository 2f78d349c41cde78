# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo evaluate``: recordings run and scored against ground truth."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Generator, Iterable
from typing import Any

from tqdm import tqdm

from loftr_vo.cli.evaluate_options import add_evaluate_options
from loftr_vo.cli.evaluate_tasks import make_tasks, threads_of
from loftr_vo.cli.options import read_settings
from loftr_vo.cli.run import FAILED, bar_interval, frame_bar
from loftr_vo.cli.thresholds import NOT_HELD, bounds_hold
from loftr_vo.evaluation.batch import result as results
from loftr_vo.evaluation.batch import storage, summary
from loftr_vo.evaluation.batch.inputs import (
    is_folder_of_recordings,
    names_one,
)
from loftr_vo.evaluation.batch.processes import run_in_processes
from loftr_vo.evaluation.batch.ray_cluster import run_on_ray
from loftr_vo.evaluation.batch.result import Result
from loftr_vo.evaluation.batch.task import Task
from loftr_vo.evaluation.batch.work import attempt, perform
from loftr_vo.evaluation.interrupts import interrupted_exit_code, results_kept
from loftr_vo.evaluation.recording import print_to_stderr
from loftr_vo.evaluation.report import write_json
from loftr_vo.evaluation.scoring import EvaluationError, require_evo
from loftr_vo.evaluation.table import format_table
from loftr_vo.files.output_files import OutputError, check_folder, check_writable


def register(subparsers: Any) -> None:
    """Add ``evaluate`` to the parser."""
    parser = subparsers.add_parser(
        'evaluate',
        help='run and score against ground truth',
        description='Run the odometry on recordings and score it against their ground truth.',
    )
    add_evaluate_options(parser)
    parser.set_defaults(command=evaluate_command)


def evaluate_command(arguments: argparse.Namespace) -> int:
    """Run and score recordings, and print a table with a row for each."""
    require_evo()
    _check(arguments)
    alone = _is_alone(arguments)
    tasks = make_tasks(arguments, read_settings(arguments), alone)
    return _evaluate_one(tasks[0], arguments) if alone else _evaluate_all(tasks, arguments)


def _is_alone(arguments: argparse.Namespace) -> bool:
    """Whether one recording is run once, here: its report is then all that is written."""
    if arguments.jobs is not None or arguments.ray is not None or arguments.repeat > 1:
        return False
    return names_one(arguments.paths) and not is_folder_of_recordings(arguments.paths[0])


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together, and files that cannot be written.

    Raises:
        EvaluationError, OutputError: the first of these.
    """
    if arguments.ground_truth and not names_one(arguments.paths):
        raise EvaluationError(
            '--ground-truth is for one PATH; for several, name it in a list: @recordings.yaml'
        )
    if arguments.resume and arguments.output is None:
        raise EvaluationError('--resume goes on with the results in a folder; name it with -o')
    if arguments.ray is not None and arguments.jobs is not None:
        raise EvaluationError('choose one of --jobs, for this machine, and --ray, for a cluster')
    if arguments.gpus and arguments.ray is None:
        raise EvaluationError('--gpus is the share of a GPU that a task takes with --ray')
    if arguments.json:
        check_writable(arguments.json)
    if arguments.output is not None and not storage.is_url(arguments.output):
        check_folder(arguments.output)


def _evaluate_one(task: Task, arguments: argparse.Namespace) -> int:
    """Evaluate one recording in this process; errors are raised."""
    result = perform(task, frame_bar, print_to_stderr)
    if task.output is not None:
        print(f'report: {storage.join(task.output, "report.html")}', file=sys.stderr)
    print(format_table([result.metrics]))
    failed = not _write(arguments, result.metrics)
    if result.status == results.INTERRUPTED:
        return interrupted_exit_code()
    held = bounds_hold(arguments, result.metrics, _scale_source(task))
    if failed or result.status != results.DONE:
        return FAILED
    return 0 if held else NOT_HELD


def _evaluate_all(tasks: list[Task], arguments: argparse.Namespace) -> int:
    """Evaluate recordings; one that fails is reported, and the others are done."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    interrupted = False
    # Closed in any case, so that no process is left.
    stream = _start(tasks, arguments)
    try:
        with results_kept(), contextlib.closing(stream):
            for result in stream:
                rows[result.name, result.repeat] = result.row()
                interrupted = result.status == results.INTERRUPTED
                if interrupted:
                    break
    except KeyboardInterrupt:
        interrupted = True
    ordered = [rows[key] for task in tasks if (key := (task.name, task.repeat)) in rows]
    done = [row for row in ordered if row['status'] != results.FAILED]
    print(format_table(done))
    _print_failures(ordered, len(tasks))
    written = _write(arguments, ordered) & _write_summary(arguments, tasks, ordered)
    if interrupted:
        return interrupted_exit_code()
    # A list, so that the bounds of every recording are checked.
    sources = {(task.name, task.repeat): _scale_source(task) for task in tasks}
    held = [bounds_hold(arguments, row, sources[row['sequence'], row['repeat']]) for row in done]
    if not written or any(row['status'] != results.DONE for row in ordered):
        return FAILED
    return 0 if all(held) else NOT_HELD


def _scale_source(task: Task) -> str:
    """Return the source of scale of a task; ``none`` for a classical odometry."""
    return 'none' if task.baseline else task.settings.scale.source


def _start(tasks: list[Task], arguments: argparse.Namespace) -> Generator[Result, None, None]:
    """Yield the results as they come, and show a progress bar."""
    if arguments.jobs is None and arguments.ray is None:
        for task in tasks:
            result = attempt(task, frame_bar, print_to_stderr)
            if result.status == results.FAILED:
                print_to_stderr(f'error: {result.name}: {result.error}')
            yield result
        return
    with tqdm(total=len(tasks), unit='recording', mininterval=bar_interval(), leave=False) as bar:

        def tick(frames: int) -> None:
            if frames:
                bar.set_postfix_str(f'{frames} frames', refresh=False)
            bar.update(0)

        for result in _side_by_side(tasks, arguments, tick):
            for message in _messages(result):
                tqdm.write(f'loftr_vo: {message}', file=sys.stderr)
            bar.update()
            yield result


def _side_by_side(
    tasks: list[Task], arguments: argparse.Namespace, tick: Callable[[int], None]
) -> Generator[Result, None, None]:
    threads = threads_of(arguments)
    if arguments.ray is not None:
        return run_on_ray(tasks, arguments.ray, threads, arguments.gpus or 0.0, tick)
    return run_in_processes(tasks, arguments.jobs, threads, tick)


def _messages(result: Result) -> Iterable[str]:
    for message in result.messages:
        yield message if message.startswith(result.name) else f'{result.name}: {message}'
    if result.status == results.FAILED:
        yield f'error: {result.name}: {result.error}'


def _print_failures(rows: list[dict[str, Any]], total: int) -> None:
    """Print to stderr which recordings are not done, and why."""
    if len(rows) < total:
        print_to_stderr(f'{total - len(rows)} of {total} runs are not done; --resume does them')
    for row in rows:
        if row['status'] != results.DONE:
            number = f' (run {row["repeat"]})' if row['repeat'] else ''
            print_to_stderr(f'{row["sequence"]}{number} {row["status"]}: {row["error"]}')


def _write(arguments: argparse.Namespace, values: Any) -> bool:
    """Write the figures as JSON if that is wanted; return whether they could be written."""
    try:
        if arguments.json:
            write_json(arguments.json, values)
    except OutputError as error:
        print_to_stderr(f'error: {error}; left out')
        return False
    return True


def _write_summary(
    arguments: argparse.Namespace, tasks: list[Task], rows: list[dict[str, Any]]
) -> bool:
    """Write the page and the table of all recordings; return whether they could be written."""
    if arguments.output is None:
        return True
    folders = {(task.name, task.repeat): task.output or '' for task in tasks}
    try:
        page = summary.write(arguments.output, rows, folders, arguments.command_line)
    except OutputError as error:
        print_to_stderr(f'error: {error}; left out')
        return False
    print(f'summary: {page}', file=sys.stderr)
    return True
