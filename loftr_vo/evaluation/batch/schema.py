# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The columns of the table of results: names, types, units, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

from loftr_vo.evaluation.kitti import KITTI_LENGTHS
from loftr_vo.evaluation.measures import RPE_FRAMES


@dataclass(frozen=True)
class Column:
    """A column of ``results.parquet`` or ``results.csv``, and a key of ``metrics.json``.

    Attributes:
        name: of the column.
        kind: ``text``, ``integer``, ``number`` or ``truth``.
        unit: empty where there is none.
        text: what it means.
        better: ``lower`` or ``higher`` for a measure that ``compare`` judges, else empty.
        floor: smaller changes, in the unit, do not count.
        is_timing: whether it depends on the load of the machine.
    """

    name: str
    kind: str
    unit: str
    text: str
    better: str = ''
    floor: float = 0.0
    is_timing: bool = False


def _number(
    name: str, unit: str, text: str, better: str = '', floor: float = 0.0, timing: bool = False
) -> Column:
    return Column(name, 'number', unit, text, better, floor, timing)


# The floors are far below what matters on any recording and far above rounding.
COLUMNS = (
    Column('sequence', 'text', '', 'name of the recording, and of the folder of its report'),
    Column('repeat', 'integer', '', 'number of the run with --repeat; 0 without'),
    Column('status', 'text', '', 'done, damaged (ended early), interrupted, or failed'),
    Column('error', 'text', '', 'why it is not done; empty if it is'),
    Column('folder', 'text', '', 'of the report, relative to the table'),
    Column('frames', 'integer', '', 'frames of the recording'),
    Column('tracked', 'integer', '', 'frames tracked'),
    _number('tracked_percent', '%', 'share of the frames tracked', 'higher', 0.05),
    _number('lost_s', 's', 'time without a tracked pose', 'lower', 0.05),
    _number('longest_loss_s', 's', 'the longest of these times', 'lower', 0.05),
    _number('path_length_m', 'm', 'length of the true path where there is an estimate'),
    _number('ate_rmse_m', 'm', 'absolute trajectory error after alignment, RMSE'),
    _number('ate_percent', '%', 'the same in percent of the path', 'lower', 0.005),
    _number('rpe_rotation_deg', 'deg', 'rotation error per frame, median', 'lower', 0.002),
    *(
        _number(
            f'rpe_{frames}_{part}_{unit}',
            unit,
            f'relative pose error over {frames} frame{"s" * (frames > 1)}, {part}, RMSE',
            'lower',
            0.001 if part == 'translation' else 0.005,
        )
        for frames in RPE_FRAMES
        for part, unit in (('translation', 'm'), ('rotation', 'deg'))
    ),
    _number('kitti_translation_percent', '%', 'KITTI, all segments', 'lower', 0.01),
    _number('kitti_rotation_deg_per_m', 'deg/m', 'KITTI, all segments', 'lower', 0.0005),
    *(
        _number(
            f'kitti_{length:.0f}m_translation_percent',
            '%',
            f'KITTI, segments of {length:.0f} m; empty for shorter paths',
        )
        for length in KITTI_LENGTHS
    ),
    _number('scale_drift', '', 'scale over the last five motions by that over the first five'),
    _number(
        'scale_drift_percent_per_100m', '%', 'change of the scale in 100 m of path, by a line fit'
    ),
    _number('scale', '', 'factor that the alignment put on the estimate'),
    _number('scale_error_percent', '%', 'by how much a metric estimate is too long'),
    Column('metric', 'truth', '', 'whether lengths are metres'),
    Column('metric_from', 'integer', '', 'frame from which on they are'),
    _number('scale_sigma_percent', '%', "median of the scale's standard deviation"),
    _number('readout_ms', 'ms', 'readout time of a rolling shutter, as estimated'),
    _number('focal_error_percent', '%', 'by how much the focal length looks too long'),
    _number('focal_error_sigma_percent', '%', 'its standard deviation'),
    _number('distortion_error_px', 'px', 'distortion that looks left out, at the corners'),
    _number('distortion_error_sigma_px', 'px', 'its standard deviation'),
    _number('nees_mean', '', 'normalised estimation error squared, mean; 6 is right'),
    _number('nees_median', '', 'its median; 5.35 is right'),
    _number('nees_inside_percent', '%', 'share within the 95 % bounds'),
    _number('latency_ms_median', 'ms', 'wall time of a frame, median', 'lower', 0.1, timing=True),
    _number('latency_ms_p95', 'ms', 'its 95th percentile', 'lower', 0.1, timing=True),
    _number(
        'real_time_factor',
        '',
        'length of the recording by computing time; above 1 is faster than real time',
        'higher',
        0.01,
        timing=True,
    ),
    Column('weights', 'text', '', 'name or path, or the name of the baseline'),
    Column('device', 'text', '', 'where the network ran'),
)


def markdown() -> str:
    """Return the table of docs/evaluation.md."""
    lines = ['| column | type | unit | meaning | better |', '|---|---|---|---|---|']
    lines += [
        f'| `{column.name}` | {column.kind} | {column.unit} | {column.text} | {column.better} |'
        for column in COLUMNS
    ]
    return '\n'.join(lines)


if __name__ == '__main__':
    print(markdown())
