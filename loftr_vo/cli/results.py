# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The files of ``loftr_vo run`` and ``evaluate``: checked first, written as the run goes on."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from loftr_vo.datasets import Sequence
from loftr_vo.evaluation.interrupts import results_kept
from loftr_vo.evaluation.report import write_json, write_summary
from loftr_vo.evaluation.report_folder import ReportFolder
from loftr_vo.files.output_files import OutputError, check_writable


@contextlib.contextmanager
def kept(report: ReportFolder | None) -> Iterator[None]:
    """Run a block that reports; say which files it leaves out, or ends in the middle of."""
    if report is None:
        yield
        return
    try:
        with results_kept(), report:
            yield
    except BaseException:
        if report.unfinished is not None:
            print(f'loftr_vo: the poses so far are in {report.unfinished}', file=sys.stderr)
        raise
    _tell_problems(report.problems)
    if report.problems and report.unfinished is not None:
        print(f'loftr_vo: the poses so far are in {report.unfinished}', file=sys.stderr)


def _tell_problems(problems: Iterable[str]) -> None:
    for problem in problems:
        print(f'loftr_vo: error: {problem}; left out', file=sys.stderr)


def check_outputs(
    arguments: argparse.Namespace, sequences: list[Sequence]
) -> list[ReportFolder | None]:
    """Make sure that all can be written that is asked for; return the report of each sequence.

    Raises:
        OutputError: something cannot be written.
    """
    output = arguments.output
    if arguments.json:
        check_writable(arguments.json)
    if output is None:
        return [None] * len(sequences)
    if len(sequences) == 1:
        return [ReportFolder(output)]
    check_writable(output / 'summary.html')
    return [ReportFolder(output / sequence.name) for sequence in sequences]


def write_figures(
    arguments: argparse.Namespace, rows: list[dict[str, Any]], several: bool
) -> bool:
    """Write the files that are of all recordings; return whether they could be written."""
    problems = []
    try:
        if arguments.json:
            write_json(arguments.json, rows if several else rows[0])
    except OutputError as error:
        problems.append(str(error))
    try:
        if arguments.output and several:
            write_summary(arguments.output, rows, arguments.command_line)
    except OutputError as error:
        problems.append(str(error))
    _tell_problems(problems)
    return not problems
