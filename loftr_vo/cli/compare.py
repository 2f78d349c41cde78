# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo compare``: two sets of results, paired by recording."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from loftr_vo.cli.thresholds import NOT_HELD
from loftr_vo.evaluation.batch.comparison import Comparison, MeasureSummary, compare
from loftr_vo.evaluation.batch.comparison_page import write_comparison
from loftr_vo.evaluation.batch.table_file import ResultsError, read_results
from loftr_vo.evaluation.report import write_json
from loftr_vo.files.output_files import check_writable

# Of the changes, this many are printed; the page has all.
_MOST_LINES = 20


def register(subparsers: Any) -> None:
    """Add ``compare`` to the parser."""
    parser = subparsers.add_parser(
        'compare',
        help='what got better and worse between two evaluations',
        description='Compare the results B of "loftr_vo evaluate" with the results A, recording '
        'by recording. The exit code is 1 where B is worse.',
    )
    for name in ('a', 'b'):
        parser.add_argument(
            f'results_{name}',
            metavar=f'RESULTS_{name.upper()}',
            help='folder of results (-o), its table, or the file of --json',
        )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=5.0,
        metavar='PERCENT',
        help='by how much a measure of a recording may be worse, default: %(default)s',
    )
    parser.add_argument(
        '--timing-tolerance',
        type=float,
        metavar='PERCENT',
        help='the same for measures of time, which are else shown only',
    )
    parser.add_argument(
        '-o', '--output', type=Path, metavar='FILE', help='write a page with pictures (.html)'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all changes here')
    parser.set_defaults(command=compare_command)


def compare_command(arguments: argparse.Namespace) -> int:
    """Print what differs; return 1 where something is worse."""
    for path in (arguments.output, arguments.json):
        if path is not None:
            check_writable(path)
    found = compare(read_results(arguments.results_a), read_results(arguments.results_b))
    if not found.paired:
        raise ResultsError('the two have no recording in common')
    bounds = (arguments.tolerance, arguments.timing_tolerance)
    worse, better = found.worse(*bounds), found.better(*bounds)
    _print_recordings(found)
    for heading, changes in (('worse', worse), ('better', better[::-1])):
        if changes:
            _print_changes(f'{heading} beyond the tolerance', changes)
    shown = [each for each in found.summaries if each.better or each.worse]
    if shown:
        print(_measure_table(shown))
    if not worse and not better and not found.has_losses:
        print(f'{found.paired} recordings: nothing is better or worse beyond the tolerance')
    if arguments.json:
        write_json(arguments.json, _plain(found))
    if arguments.output:
        write_comparison(arguments.output, found, bounds, arguments.results_a, arguments.results_b)
    return NOT_HELD if worse or found.has_losses else 0


def _print_recordings(found: Comparison) -> None:
    """Print which recordings are not in both, or failed in one."""
    for text, names in (
        ('failed or ended early in B', found.failed),
        ('missing in B', found.only_before),
        ('fewer frames in B', found.fewer_frames),
        ('failed or ended early in A only', found.recovered),
        ('new in B', found.only_after),
    ):
        if names:
            print(f'{text}: {", ".join(names)}')


def _print_changes(heading: str, changes: list[Any]) -> None:
    print(f'{heading}: {len(changes)} in {len({c.sequence for c in changes})} recordings')
    for change in changes[:_MOST_LINES]:
        print(
            f'  {change.sequence}: {change.measure.name} {_text(change.before)} -> '
            f'{_text(change.after)} {change.measure.unit} ({_signed(change.harm)} % worse)'
        )
    if len(changes) > _MOST_LINES:
        print(f'  and {len(changes) - _MOST_LINES} more')


def _measure_table(summaries: list[MeasureSummary]) -> str:
    lines = [
        [
            'measure',
            'A',
            'B',
            'worse by %',
            '95 % interval',
            'recordings better',
            'worse',
            'sign test p',
        ]
    ]
    lines += [
        [
            each.measure.name,
            _text(each.before),
            _text(each.after),
            _signed(each.harm),
            f'{_signed(each.low)} to {_signed(each.high)}',
            str(each.better),
            str(each.worse),
            f'{each.probability:.2g}',
        ]
        for each in summaries
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return '\n'.join(
        '  '.join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _text(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.4g}'


def _signed(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:+.3g}'


def _plain(found: Comparison) -> dict[str, Any]:
    """Return a comparison as what JSON has."""
    return {
        'paired': found.paired,
        'only_before': found.only_before,
        'only_after': found.only_after,
        'failed': found.failed,
        'recovered': found.recovered,
        'fewer_frames': found.fewer_frames,
        'changes': [
            {
                'sequence': change.sequence,
                'measure': change.measure.name,
                'before': change.before,
                'after': change.after,
                'harm_percent': change.harm,
            }
            for change in found.changes
        ],
        'measures': [
            {
                'measure': each.measure.name,
                'before': each.before,
                'after': each.after,
                'harm_percent': each.harm,
                'low': each.low,
                'high': each.high,
                'better': each.better,
                'worse': each.worse,
                'sign_test_p': each.probability,
            }
            for each in found.summaries
        ],
    }
