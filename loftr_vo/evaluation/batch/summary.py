# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The summary of many recordings: a page, and the table behind it."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote

import numpy as np

from loftr_vo.evaluation import pages
from loftr_vo.evaluation.batch import result as results
from loftr_vo.evaluation.batch import storage
from loftr_vo.evaluation.batch.table_file import write_table
from loftr_vo.evaluation.table import columns_of, format_row
from loftr_vo.evaluation.versions import versions

# Most recordings on the page; of more, the worst are shown.
MOST_ROWS = 5000
# Rows shown when the page opens; a script adds the others.
_AT_ONCE = 100
_BARS = 30
# The last bar has all values above this percentile.
_SHOWN_PERCENT = 98.0
_PLOTS = (
    ('ate_percent', 'position error (ATE), % of the path'),
    ('lost_s', 'time lost, s'),
    ('latency_ms_median', 'time per frame, ms'),
)


def write(
    folder: str, rows: list[dict[str, Any]], folders: dict[tuple[str, int], str], command: str
) -> str:
    """Write ``summary.html`` and the table; return the page's path or URL.

    Args:
        folder: path or URL; the reports are in folders in it.
        rows: as ``Result.row`` gives them; gets the column ``folder``.
        folders: the folder of each report, by name and repeat.
        command: the command line.

    Raises:
        OutputError: one of them cannot be written.
    """
    for row in rows:
        inside = folders[row['sequence'], row['repeat']].removeprefix(folder)
        row['folder'] = inside.replace('\\', '/').strip('/')
    write_table(folder, rows)
    thumbnails = {row['folder']: _thumbnail(folder, row) for row in _shown(rows)}
    page = storage.join(folder, 'summary.html')
    storage.write(
        page, render_summary(rows, thumbnails, command).encode(errors='backslashreplace')
    )
    return page


def render_summary(
    rows: list[dict[str, Any]], thumbnails: dict[str, dict[str, Any]], command: str
) -> str:
    """Return the page.

    Args:
        rows: of the table, with ``folder``.
        thumbnails: as ``thumbnail_of`` gives them, by folder.
        command: the command line.
    """
    shown = _shown(rows)
    columns = columns_of(rows)
    return pages.render(
        'summary.html.jinja',
        title='Visual odometry: summary',
        count=len({row['sequence'] for row in rows}),
        verdict=_verdict(rows),
        failures=[
            (_name(row), f'{row["status"]}: {row["error"]}')
            for row in shown
            if row['status'] != results.DONE
        ],
        plots=[plot for name, title in _PLOTS if (plot := _histogram(rows, name, title))],
        headings=[heading for heading, _, _ in columns[1:]],
        lines=[_line(row, columns[1:], thumbnails) for row in shown],
        left_out=len(rows) - len(shown),
        at_once=_AT_ONCE,
        command=command,
        versions=versions(),
    )


def _thumbnail(folder: str, row: dict[str, Any]) -> dict[str, Any]:
    earlier = results.load(storage.join(folder, row['folder']))
    return earlier.thumbnail if earlier else {}


def _shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows in their order, or the worst where there are too many."""
    return rows if len(rows) <= MOST_ROWS else sorted(rows, key=_harm)[:MOST_ROWS]


def _harm(row: dict[str, Any]) -> tuple[bool, float, float]:
    """Return what sorts the worst first: not done, then the least tracked, then the error."""
    error = row.get('ate_percent')
    error = math.nan if error is None else error
    known = math.isfinite(error)
    tracked = row.get('tracked_percent') or 0.0
    return row['status'] == results.DONE, tracked, -error if known else -math.inf


def _verdict(rows: list[dict[str, Any]]) -> str:
    done = sum(row['status'] == results.DONE for row in rows)
    errors = _known(rows, 'ate_percent')
    text = f'{done} of {len(rows)} runs done'
    if not errors.size:
        return f'{text}; none is scored.'
    return f'{text}. The positions are {np.median(errors):.2g} % of the path off (median).'


def _known(rows: list[dict[str, Any]], name: str) -> np.ndarray:
    values = [row[name] for row in rows if row.get(name) is not None]
    return np.array([value for value in values if math.isfinite(value)], np.float64)


def _histogram(rows: list[dict[str, Any]], name: str, title: str) -> dict[str, Any] | None:
    """Return what the template draws, in a box of 300 by 100; None without values."""
    values = _known(rows, name)
    if not values.size:
        return None
    # Outliers would squeeze the others into one bar.
    low, high = min(0.0, float(values.min())), float(np.percentile(values, _SHOWN_PERCENT))
    high = high if high > low else low + 1.0
    counts, edges = np.histogram(np.clip(values, low, high), _BARS, (low, high))
    width = 300.0 / _BARS
    bars = [
        {
            'x': round(index * width, 2),
            'width': round(width - 1.0, 2),
            'height': round(95.0 * count / counts.max(), 1),
            'title': f'{edges[index]:.3g} to {edges[index + 1]:.3g}: {count}',
        }
        for index, count in enumerate(counts)
        if count
    ]
    return {
        'title': title,
        'bars': bars,
        'low': f'{edges[0]:.3g}',
        'high': f'{edges[-1]:.3g}{" and more" if values.max() > high else ""}',
        'median': f'{np.median(values):.3g}',
        'count': len(values),
    }


def _line(
    row: dict[str, Any],
    columns: list[tuple[str, str, str]],
    thumbnails: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    texts = format_row(row, columns)
    values = [row.get(name) for _, name, _ in columns]
    folder = row.get('folder', '')
    has_report = row['status'] != results.FAILED and folder
    return {
        'name': _name(row),
        'link': f'{quote(folder)}/report.html' if has_report else '',
        'thumbnail': thumbnails.get(folder, {}),
        'cells': [
            (text, '' if text == '-' else value) for text, value in zip(texts, values, strict=True)
        ],
    }


def _name(row: dict[str, Any]) -> str:
    return f'{row["sequence"]} (run {row["repeat"]})' if row['repeat'] else str(row['sequence'])
