# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a comparison: a table by measure, and each change with its picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from loftr_vo.evaluation import pages
from loftr_vo.evaluation.batch import result as results
from loftr_vo.evaluation.batch import storage
from loftr_vo.evaluation.batch.comparison import Change, Comparison, MeasureSummary
from loftr_vo.files.output_files import write_text

# More changes than this are not shown.
_MOST = 500
# Range of the picture of a measure to either side, in percent.
_REACH = 100.0


def write_comparison(
    path: Path,
    found: Comparison,
    bounds: tuple[float, float | None],
    place_a: str,
    place_b: str,
) -> None:
    """Write the page.

    Args:
        path: of the page.
        found: the comparison.
        bounds: tolerances in percent, of measures and of those of time.
        place_a, place_b: where the results are; thumbnails are taken from the folders there.

    Raises:
        OutputError: it cannot be written.
    """
    worse, better = found.worse(*bounds), found.better(*bounds)[::-1]
    shown = [each for each in found.summaries if each.better or each.worse]
    page = pages.render(
        'comparison.html.jinja',
        title='Visual odometry: comparison',
        a=place_a,
        b=place_b,
        paired=found.paired,
        tolerance=f'{bounds[0]:g}',
        lists=[
            (text, names)
            for text, names in (
                ('failed or ended early in B', found.failed),
                ('missing in B', found.only_before),
                ('fewer frames in B', found.fewer_frames),
                ('failed or ended early in A only', found.recovered),
                ('new in B', found.only_after),
            )
            if names
        ],
        measures=[_measure(each, found) for each in shown],
        groups=[
            (heading, kind, [_line(c, place_a, place_b) for c in changes[:_MOST]], len(changes))
            for heading, kind, changes in (('Worse', 'worse', worse), ('Better', 'better', better))
            if changes
        ],
    )
    write_text(path, page)


def _measure(each: MeasureSummary, found: Comparison) -> dict[str, Any]:
    own = [c for c in found.changes if c.measure is each.measure]
    return {
        'name': each.measure.name,
        'before': _text(each.before),
        'after': _text(each.after),
        'harm': _text(each.harm),
        'interval': f'{_text(each.low)} to {_text(each.high)}',
        'better': each.better,
        'worse': each.worse,
        'probability': f'{each.probability:.2g}',
        'dots': [
            {
                'x': round(100.0 + max(-_REACH, min(_REACH, change.harm)), 1),
                'kind': 'worse' if change.harm > 0 else 'better',
                'title': f'{change.sequence}: {_text(change.harm)} %',
            }
            for change in own
        ],
    }


def _line(change: Change, place_a: str, place_b: str) -> dict[str, Any]:
    return {
        'name': change.sequence,
        'measure': change.measure.name,
        'before': _text(change.before),
        'after': f'{_text(change.after)} {change.measure.unit}',
        'harm': _text(change.harm),
        'thumbnails': [_thumbnail(place, change.sequence) for place in (place_a, place_b)],
    }


def _thumbnail(place: str, name: str) -> dict[str, Any]:
    """Return the thumbnail of a recording from a folder of results; empty where there is none."""
    for names in ((name,), (name, 'repeat-1'), ()):
        found = results.load(storage.join(place, *names))
        if found is not None and found.name == name:
            return found.thumbnail
    return {}


def _text(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.4g}'
