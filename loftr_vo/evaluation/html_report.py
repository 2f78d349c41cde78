# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page that loads no other file."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from loftr_vo.config import Settings, describe
from loftr_vo.evaluation import pages
from loftr_vo.evaluation.page_data import plot_data, view_of
from loftr_vo.evaluation.page_picture import Picture
from loftr_vo.evaluation.run_record import Run
from loftr_vo.evaluation.scoring import Alignment
from loftr_vo.evaluation.versions import versions

# Most stretches without tracking that are shown.
_MOST_STRETCHES = 30


@dataclass(frozen=True)
class Provenance:
    """The origin of a run, for its report.

    Attributes:
        command: the command line.
        source: the recording's path and kind.
        ground_truth: where it comes from; empty without.
        notes: remarks on the figures.
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
    shown, changed = _settings(settings)
    return pages.render(
        'report.html.jinja',
        title=f'{metrics["sequence"]}: visual odometry',
        name=metrics['sequence'],
        verdict=_verdict(metrics),
        notes=provenance.notes,
        figures=_figures(run, metrics),
        data=plot_data(run, alignment) if run.records else None,
        path=_path_axes(run, alignment),
        scored=alignment is not None,
        # The baselines have none.
        has_parallax=any(record.parallax for record in run.records),
        stretches=_stretches(run),
        pictures=[picture.embedded() for picture in pictures],
        settings=shown,
        changes=f'{changed} changed' if changed else 'all as by default',
        command=provenance.command,
        provenance=_provenance(metrics, provenance),
    )


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


def _figures(run: Run, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return name, value and explanation of each figure that is known."""
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
    return [
        {
            'name': name,
            'value': value,
            'small': small,
            'bad': name == 'tracked' and share < 100.0,
        }
        for name, value, small in entries
        # Figures that need a ground truth are not shown without.
        if value
    ]


def _duration(run: Run) -> str:
    if not run.records:
        return ''
    seconds = (run.records[-1].stamp - run.records[0].stamp) / 1e9
    return f'in {seconds:.4g} s'


def _figure(metrics: dict[str, Any], name: str, unit: str) -> str:
    """Return a figure with three digits or more and its unit; nothing if it is not known."""
    value = metrics.get(name)
    if value is None or not np.isfinite(value):
        return ''
    return f'{value:.0f}{unit}' if abs(value) >= 100.0 else f'{value:.3g}{unit}'


def _path_axes(run: Run, alignment: Alignment | None) -> str:
    """Return the axes of the view of the path, in words; empty without a path."""
    shown = alignment.estimated if alignment else run.trajectory
    if not len(shown):
        return ''
    return view_of((alignment.true if alignment else shown).positions).words


def _stretches(run: Run) -> list[tuple[str, str]]:
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
    more = len(rows) - _MOST_STRETCHES
    tail = [('…', f'and {more} more; status.csv has all')] if more > 0 else []
    return rows[:_MOST_STRETCHES] + tail


def _settings(settings: Settings) -> tuple[list[dict[str, Any]], int]:
    """Return the settings with their values and descriptions, and how many are changed."""
    defaults = {name: value for name, value, _ in describe(Settings())}
    rows = [
        {
            'name': name,
            'value': f'{value} {getattr(description, "unit", "")}'.rstrip(),
            'text': description.text,
            'changed': value != defaults[name],
        }
        for name, value, description in describe(settings)
    ]
    return rows, sum(row['changed'] for row in rows)


def _provenance(metrics: dict[str, Any], provenance: Provenance) -> list[tuple[str, str]]:
    rows = [('recording', provenance.source)]
    if provenance.ground_truth:
        rows.append(('ground truth', provenance.ground_truth))
    device = f'{metrics["weights"]} on {metrics["device"]}'
    return [*rows, ('weights and device', device), *versions(), ('machine', _machine())]


def _machine() -> str:
    torch = sys.modules.get('torch')
    parts = [platform.system(), platform.machine()]
    if torch is not None:
        threads = torch.get_num_threads()
        parts.append(f'{threads} CPU thread{"s" * (threads > 1)}')
        if torch.cuda.is_initialized():
            parts.append(torch.cuda.get_device_name())
    return ', '.join(parts)
