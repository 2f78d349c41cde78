# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of runs, and their files."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from loftr_vo.evaluation.measures import standard_measures
from loftr_vo.evaluation.run_record import Run
from loftr_vo.evaluation.scoring import Alignment, Scores
from loftr_vo.files.output_files import write_text


def collect_metrics(
    sequence_name: str,
    frames: int,
    run: Run,
    scores: Scores | None,
    weights: str,
    device: str,
    alignment: Alignment | None = None,
) -> dict[str, Any]:
    """Return the figures of a run under the names that ``metrics.json`` uses.

    Args:
        sequence_name: what was run.
        frames: number of frames of the sequence.
        run: the outcome.
        scores: against ground truth, or None without.
        weights: name or path of the weights, or the name of the baseline.
        device: where the network ran.
        alignment: that the scores are of, or None without.
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
        **run.calibration.figures,
        'latency_ms_median': run.latency_ms_median,
        **standard_measures(run, frames, alignment),
        'weights': weights,
        'device': device,
    }


def _scale_sigma(run: Run) -> float:
    """Return the median standard deviation of the scale, as estimated, in percent."""
    sigmas = [record.scale_sigma for record in run.records if record.metric]
    return 100.0 * float(np.median(sigmas)) if sigmas else math.nan


def _score_values(scores: Scores | None) -> dict[str, float | None]:
    if scores is not None:
        return dataclasses.asdict(scores)
    return {field.name: None for field in dataclasses.fields(Scores)}


def write_json(path: Path, values: Any) -> None:
    """Write figures as JSON; NaN, which JSON does not have, becomes null.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text(path, json_text(values))


def json_text(values: Any) -> str:
    """Return figures as JSON; NaN, which JSON does not have, becomes null."""
    return json.dumps(_without_nan(values), indent=2, allow_nan=False) + '\n'


def _without_nan(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _without_nan(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_without_nan(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values
