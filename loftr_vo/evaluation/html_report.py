# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page: it loads nothing, so it opens anywhere and can be sent around."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from loftr_vo.config import Settings, describe
from loftr_vo.evaluation.html_parts import (
    Picture,
    document,
    figure,
    key,
    table,
)
from loftr_vo.evaluation.page_data import plot_data, view_of
from loftr_vo.evaluation.running import Run
from loftr_vo.evaluation.scoring import Alignment
from loftr_vo.evaluation.versions import versions
from loftr_vo.odometry.estimate import State

# Of a recording that is lost again and again, this many stretches are told.
_MOST_STRETCHES = 30


@dataclass(frozen=True)
class Provenance:
    """Where a run comes from, for those who read its report later.

    Attributes:
        command: the command line.
        source: the recording's path and kind.
        ground_truth: where it comes from; empty without.
        notes: what to mind when reading the figures.
    """

    command: str
    source: str
    ground_truth: str = ''
    notes: tuple[str, ...] = ()


def render_page(
    run: Run,
    metrics: dict[str, Any],
    settings: Settings,
    alignment: Alignment | None,
    provenance: Provenance,
    pictures: list[Picture],
) -> str:
    """Return the page as text; see ``ReportFolder.write`` for the arguments."""
    data = json.dumps(plot_data(run, alignment), separators=(',', ':')) if run.records else ''
    body = [
        f'<h1>{escape(str(metrics["sequence"]))}</h1>',
        f'<p class="verdict">{escape(_verdict(metrics))}</p>',
        *(f'<p class="note">{escape(note)}</p>' for note in provenance.notes),
        _figures(run, metrics),
        *(_plots(run, alignment) if run.records else []),
        _stretches(run),
        _picture_section(pictures),
        _settings_section(settings),
        _provenance_section(metrics, provenance),
    ]
    return document(f'{metrics["sequence"]}: visual odometry', body, data)


def _verdict(metrics: dict[str, Any]) -> str:
    said = f'{metrics["tracked"]} of {metrics["frames"]} frames tracked'
    if not _is_known(metrics['ate_percent']):
        return f'{said}; not scored against ground truth.'
    fitted = 'position and direction' if metrics['metric'] else 'position, direction and scale'
    return (
        f'{said}. With {fitted} fitted to the ground truth, the positions are '
        f'{metrics["ate_percent"]:.2g} % of the path off.'
    )


def _is_known(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _figures(run: Run, metrics: dict[str, Any]) -> str:
    latencies = [record.latency_ms for record in run.records]
    slow = (
        f'95 % within {np.percentile(latencies, 95):.0f} ms; {metrics["device"]}'
        if latencies
        else ''
    )
    keyframes = sum(record.is_keyframe for record in run.records)
    share = 100.0 * metrics['tracked'] / max(metrics['frames'], 1)
    entries = [
        ('tracked', f'{share:.4g} %', f'{metrics["tracked"]} of {metrics["frames"]} frames'),
        ('true path', _figure(metrics, 'path_length_m', ' m'), _duration(run)),
        (
            'position error (ATE)',
            _figure(metrics, 'ate_percent', ' %'),
            f'of the path, {_figure(metrics, "ate_rmse_m", " m")} RMSE',
        ),
        ('rotation error', _figure(metrics, 'rpe_rotation_deg', '°'), 'per frame, median'),
        (
            'KITTI',
            _figure(metrics, 'kitti_translation_percent', ' %'),
            f'{_figure(metrics, "kitti_rotation_deg_per_m", "°/m")}; mean over segments',
        ),
        ('scale drift', _figure(metrics, 'scale_drift', ''), 'from start to end; 1 is none'),
        ('time per frame', _figure(metrics, 'latency_ms_median', ' ms'), slow),
        ('keyframes', str(keyframes), f'of {run.frames} frames'),
    ]
    # Figures that need a ground truth are not shown without.
    shown = [entry for entry in entries if entry[1]]
    tiles = []
    for name, value, small in shown:
        bad = ' class="bad"' if name == 'tracked' and share < 100.0 else ''
        tiles.append(
            f'<div{bad}><dt>{escape(name)}</dt>'
            f'<dd>{escape(value)}<small>{escape(small)}</small></dd></div>'
        )
    return f'<dl class="figures">{"".join(tiles)}</dl>'


def _duration(run: Run) -> str:
    if not run.records:
        return ''
    seconds = (run.records[-1].stamp - run.records[0].stamp) / 1e9
    return f'in {seconds:.4g} s'


def _device(metrics: dict[str, Any]) -> str:
    return f'{metrics["weights"]} on {metrics["device"]}'


def _figure(metrics: dict[str, Any], name: str, unit: str) -> str:
    """Return a figure with three digits or more and its unit; nothing if it is not known."""
    value = metrics.get(name)
    if value is None or not np.isfinite(value):
        return ''
    return f'{value:.0f}{unit}' if abs(value) >= 100.0 else f'{value:.3g}{unit}'


def _plots(run: Run, alignment: Alignment | None) -> list[str]:
    shown = alignment.estimated if alignment else run.trajectory
    parts = []
    if len(shown):
        view = view_of((alignment.true if alignment else shown).positions)
        unit = 'm' if alignment else 'units of the estimate'
        keys = [key('estimate', 'estimate'), key('estimate', 'keyframe', ' dot')]
        if alignment:
            keys.insert(0, key('truth', 'ground truth'))
        parts.append(
            '<section><h2>Path</h2>'
            f'<p class="hint">{"".join(keys)}<br>Axes: {view.words}, in {unit}. The '
            'black or white dot is the start. Point at a place to see its frame in all plots.</p>'
            + _plot('path', '', '')
            + '</section>'
        )
    keys = [
        key(colour, state.value)
        for state, colour in (
            (State.INITIALISING, 'amber'),
            (State.TRACKING, 'good'),
            (State.LOST, 'bad'),
        )
    ]
    time_plots = []
    if alignment:
        time_plots += [
            _plot('time', 'Position error (m)', 'error'),
            _plot('time', 'Rotation error per frame (°)', 'turn'),
            _plot('time', 'Length of each motion, estimate / true', 'length'),
        ]
    time_plots.append(
        _plot(
            'time',
            'Matches',
            'matches inliers',
            key('truth', 'all') + key('good', 'inliers'),
        )
    )
    # The baselines do not know it.
    if any(record.parallax for record in run.records):
        time_plots.append(_plot('time', 'Parallax to the keyframe (°)', 'parallax'))
    time_plots.append(_plot('time', 'Time per frame (ms)', 'latency'))
    parts.append(
        '<section><h2>Along the time</h2>'
        f'<p class="hint">Seconds since the first frame. Under each curve: {"".join(keys)}'
        'and a tick at every keyframe.</p>' + ''.join(time_plots) + '</section>'
    )
    parts.append('<noscript><p class="note">The plots need JavaScript.</p></noscript>')
    return parts


def _plot(kind: str, title: str, series: str, keys: str = '') -> str:
    """Return the place of a plot, which the page's script fills with the series named."""
    given = f' data-series="{series}"' if series else ''
    label = escape(title or 'path')
    return (
        f'<div class="plot {kind}"{given}><div class="title"><b>{escape(title)}</b>{keys}'
        f'<span class="value">&nbsp;</span></div><svg role="img" aria-label="{label}"></svg></div>'
    )


def _stretches(run: Run) -> str:
    """Return the stretches of frames that are not tracked, each with its first reason."""
    rows, start = [], None
    mask = run.tracked_mask
    for index, tracked in enumerate([*mask, True]):
        if not tracked and start is None:
            start = index
        elif tracked and start is not None:
            record = run.records[start]
            rows.append((f'{start} to {index - 1}', f'{record.state.value}: {record.reason}'))
            start = None
    if not rows:
        return ''
    more = len(rows) - _MOST_STRETCHES
    tail = [('…', f'and {more} more; status.csv has all')] if more > 0 else []
    return f'<section><h2>Not tracked</h2>{table(rows[:_MOST_STRETCHES] + tail)}</section>'


def _picture_section(pictures: list[Picture]) -> str:
    if not pictures:
        return ''
    figures = ''.join(figure(picture) for picture in pictures)
    hint = (
        '<p class="hint">The keyframe and the frame. Lines join matches: from yellow to green the '
        'surer ones, red those that do not agree with the motion. An even choice is drawn.</p>'
    )
    return f'<section><h2>Matches</h2>{hint}{figures}</section>'


def _settings_section(settings: Settings) -> str:
    defaults = {name: value for name, value, _ in describe(Settings())}
    rows = []
    for name, value, description in describe(settings):
        changed = value != defaults[name]
        mark = ' class="changed"' if changed else ''
        unit = f' {description.unit}' if getattr(description, 'unit', '') else ''
        title = escape(description.text, quote=True)
        rows.append(
            f'<tr title="{title}"><th><code>{escape(name)}</code></th>'
            f'<td{mark}>{escape(f"{value}{unit}")}</td></tr>'
        )
    changed = [name for name, value, _ in describe(settings) if value != defaults[name]]
    count = f'{len(changed)} changed' if changed else 'all as by default'
    return (
        f'<section><details><summary><h2>Settings ({count})</h2></summary>'
        f'<div class="scroll"><table>{"".join(rows)}</table></div></details></section>'
    )


def _provenance_section(metrics: dict[str, Any], provenance: Provenance) -> str:
    rows = [('recording', provenance.source)]
    if provenance.ground_truth:
        rows.append(('ground truth', provenance.ground_truth))
    rows += [('weights and device', _device(metrics)), *versions(), ('machine', _machine())]
    return (
        '<section><h2>How it was made</h2>'
        f'<p><code>{escape(provenance.command)}</code></p>{table(rows)}</section>'
    )


def _machine() -> str:
    torch = sys.modules.get('torch')
    parts = [platform.system(), platform.machine()]
    if torch is not None:
        threads = torch.get_num_threads()
        parts.append(f'{threads} CPU thread{"s" * (threads > 1)}')
        if torch.cuda.is_initialized():
            parts.append(torch.cuda.get_device_name())
    return ', '.join(parts)
