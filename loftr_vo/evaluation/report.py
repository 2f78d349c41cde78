# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The report of a run: a folder with the trajectory, the figures, and pictures."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from loftr_vo.config import Settings
from loftr_vo.drawing.match_image import draw_matches
from loftr_vo.evaluation.html_parts import Picture
from loftr_vo.evaluation.html_report import Provenance, render_page, render_summary
from loftr_vo.evaluation.running import MatchSample, Run
from loftr_vo.evaluation.scoring import Alignment, Scores
from loftr_vo.geometry.trajectory import format_seconds
from loftr_vo.imaging.image_writing import write_picture

_STATUS_COLUMNS = (
    'frame',
    'stamp',
    'state',
    'reason',
    'matches',
    'inliers',
    'parallax_deg',
    'keyframe',
    'latency_ms',
)


def collect_metrics(
    sequence_name: str, frames: int, run: Run, scores: Scores | None, weights: str, device: str
) -> dict[str, Any]:
    """Return the figures of a run under the names that ``metrics.json`` uses.

    Args:
        sequence_name: what was run.
        frames: number of frames of the sequence.
        run: the outcome.
        scores: against ground truth, or None without.
        weights: name or path of the weights, or the name of the baseline.
        device: where the network ran.
    """
    return {
        'sequence': sequence_name,
        'frames': frames,
        'tracked': run.tracked,
        **_score_values(scores),
        'metric': run.metric,
        'metric_from': run.metric_from,
        'scale_sigma_percent': _scale_sigma(run),
        'readout_ms': 1e3 * run.readout_time,
        'latency_ms_median': run.latency_ms_median,
        'weights': weights,
        'device': device,
    }


def _scale_sigma(run: Run) -> float:
    """Median of what the odometry says of its scale's standard deviation, in percent."""
    sigmas = [record.scale_sigma for record in run.records if record.metric]
    return 100.0 * float(np.median(sigmas)) if sigmas else math.nan


def _score_values(scores: Scores | None) -> dict[str, float | None]:
    if scores is not None:
        return dataclasses.asdict(scores)
    return {field.name: None for field in dataclasses.fields(Scores)}


def write_json(path: Path, values: Any) -> None:
    """Write figures as JSON; NaN, which JSON does not have, becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_without_nan(values), indent=2, allow_nan=False)
    path.write_text(text + '\n', encoding='utf-8')


def _without_nan(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _without_nan(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_without_nan(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def write_report(
    folder: Path,
    run: Run,
    metrics: dict[str, Any],
    settings: Settings,
    alignment: Alignment | None,
    provenance: Provenance,
) -> None:
    """Write everything that is known of a run into a folder, which is made if absent.

    ``report.html`` is all of it in one page. The other files are ``trajectory.txt`` (TUM format),
    ``metrics.json``, ``settings.yaml``, ``status.csv`` (a row per frame), ``top_view.png``,
    ``matches_NNNNNN.png`` for a few frames and, with ground truth, ``error.png``.

    Args:
        folder: where to write.
        run: the outcome.
        metrics: as ``collect_metrics`` gives them.
        settings: that it was run with.
        alignment: of the estimate with the ground truth, or None without.
        provenance: what was run on what.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trajectory = run.trajectory
    trajectory.write_tum(folder / 'trajectory.txt')
    write_json(folder / 'metrics.json', metrics)
    _write_settings(folder / 'settings.yaml', settings)
    _write_status(folder / 'status.csv', run)
    pictures = [_draw_sample(sample) for sample in run.samples]
    for sample, picture in zip(run.samples, pictures, strict=True):
        write_picture(folder / f'matches_{sample.frame_index:06d}.png', picture.pixels)
    if len(trajectory):
        _write_plots(folder, run, metrics, alignment)
    page = render_page(run, metrics, settings, alignment, provenance, pictures)
    (folder / 'report.html').write_text(page, encoding='utf-8')


def write_summary(folder: Path, rows: list[dict[str, Any]], command: str) -> None:
    """Write ``summary.html``: a table of several runs, each with a link to its report.

    Args:
        folder: the reports are in folders of the sequences' names in it.
        rows: the metrics of each run.
        command: the command line.
    """
    (folder / 'summary.html').write_text(render_summary(rows, command), encoding='utf-8')


def _write_plots(
    folder: Path, run: Run, metrics: dict[str, Any], alignment: Alignment | None
) -> None:
    # Imported late: matplotlib takes a second to load, and only reports need it.
    from loftr_vo.evaluation.plots import plot_errors, plot_top_view

    title = f'{metrics["sequence"]}: {metrics["tracked"]} of {metrics["frames"]} frames tracked'
    title += f' ({metrics["weights"]})'
    if alignment is None:
        plot_top_view(folder / 'top_view.png', title, run.trajectory, None)
        return
    title += (
        f'\nATE {metrics["ate_rmse_m"]:.3g} m RMSE, {metrics["ate_percent"]:.2f} % of '
        f'{metrics["path_length_m"]:.3g} m; rotation {metrics["rpe_rotation_deg"]:.3f}° per frame'
    )
    plot_top_view(folder / 'top_view.png', title, alignment.estimated, alignment.true)
    plot_errors(folder / 'error.png', title, alignment)


def _write_settings(path: Path, settings: Settings) -> None:
    text = yaml.safe_dump(dataclasses.asdict(settings), sort_keys=False)
    path.write_text(text, encoding='utf-8')


def _write_status(path: Path, run: Run) -> None:
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(_STATUS_COLUMNS)
        for index, record in enumerate(run.records):
            writer.writerow(
                [
                    index,
                    format_seconds(record.stamp),
                    record.state.value,
                    record.reason,
                    record.matches,
                    record.inliers,
                    f'{record.parallax:.3f}',
                    int(record.is_keyframe),
                    f'{record.latency_ms:.2f}',
                ]
            )


def _draw_sample(sample: MatchSample) -> Picture:
    count, agreeing = len(sample.matches), int(sample.inliers.sum())
    line = f'frame {sample.frame_index}: {count} matches, {agreeing} agree with the motion'
    if sample.parallax:
        line += f', parallax {sample.parallax:.1f}°'
    pixels = draw_matches(sample.keyframe_image, sample.image, sample.matches, sample.inliers, [])
    return Picture(pixels, line)
