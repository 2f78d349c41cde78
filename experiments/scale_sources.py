# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the sources of scale: ``python -m experiments.scale_sources``.

On rendered scenes with sensors as they are, noise, holes and slips included (see
``synthetic.sensors``);
the error is that of the scale which lays the estimate onto the truth best.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from loftr_vo.config import SCALE_SOURCES, Settings, replace
from loftr_vo.evaluation.report import write_json
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.evaluation.scoring import EvaluationError, align, score_alignment
from loftr_vo.odometry import VisualOdometry
from loftr_vo.synthetic.sequence import SyntheticSequence

# Metres that the cameras are carried above the ground.
_HEIGHTS = {'room': 1.45, 'street': 1.6}


def measure(kind: str, source: str, seed: int, frames: int) -> dict[str, Any]:
    """Return the figures of one run."""
    sequence = SyntheticSequence(kind, frames, seed=seed)
    sequence.provide(source)
    odometry = VisualOdometry(
        replace(
            Settings(),
            {'scale.source': source, 'scale.camera_height': _HEIGHTS[kind]},
        )
    )
    run = run_sequence(sequence, odometry)
    assert sequence.ground_truth is not None
    found: dict[str, Any] = {
        'kind': kind,
        'source': source,
        'seed': seed,
        'frames': run.frames,
        'tracked': run.tracked,
        'metric_from': run.metric_from,
    }
    try:
        alignment = align(run.metric_trajectory, sequence.ground_truth, metric=True)
    except EvaluationError:
        return found
    scores = score_alignment(alignment)
    sigmas = [record.scale_sigma for record in run.records if record.metric]
    return {
        **found,
        'scale_error_percent': scores.scale_error_percent,
        'scale_sigma_percent': 100.0 * float(np.median(sigmas)),
        'ate_percent': scores.ate_percent,
    }


def main() -> None:
    """Measure and print a line for each run, and the medians."""
    parser = argparse.ArgumentParser(prog='python -m experiments.scale_sources')
    parser.add_argument(
        '--sources', nargs='+', choices=SCALE_SOURCES[1:], default=SCALE_SOURCES[1:]
    )
    parser.add_argument('--kinds', nargs='+', choices=tuple(_HEIGHTS), default=tuple(_HEIGHTS))
    parser.add_argument('--seeds', nargs='+', type=int, default=list(range(5)))
    parser.add_argument('--frames', type=int, default=60)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here')
    arguments = parser.parse_args()
    rows = []
    for kind in arguments.kinds:
        for source in arguments.sources:
            some = []
            for seed in arguments.seeds:
                some.append(measure(kind, source, seed, arguments.frames))
                print(_line(some[-1]), flush=True)
            _print_median(kind, source, some)
            rows += some
    if arguments.json:
        write_json(arguments.json, rows)


def _line(row: dict[str, Any]) -> str:
    start = f'{row["kind"]:7s} {row["source"]:14s} seed {row["seed"]}: '
    tracked = f'{row["tracked"]} of {row["frames"]} tracked'
    if 'scale_error_percent' not in row:
        return f'{start}{tracked}, never in metres'
    return (
        f'{start}{tracked}, metres from frame {row["metric_from"]}, '
        f'scale {row["scale_error_percent"]:+.2f} % (says {row["scale_sigma_percent"]:.1f} %), '
        f'ATE {row["ate_percent"]:.2f} %'
    )


def _print_median(kind: str, source: str, rows: list[dict[str, Any]]) -> None:
    # A run that never becomes metric has an infinite error.
    errors = [abs(row.get('scale_error_percent', float('inf'))) for row in rows]
    print(
        f'{kind:7s} {source:14s} median |scale error| {np.median(errors):.2f} %, '
        f'largest {max(errors):.2f} %',
        flush=True,
    )


if __name__ == '__main__':
    main()
