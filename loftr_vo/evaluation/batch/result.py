# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The result of one recording, and its file ``result.json``."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from loftr_vo.evaluation.batch import storage
from loftr_vo.evaluation.batch.task import Task
from loftr_vo.evaluation.plots import widest_axes
from loftr_vo.evaluation.report import json_text
from loftr_vo.evaluation.run_record import Run
from loftr_vo.evaluation.scoring import Alignment

FILE = 'result.json'
# Changes with the meaning of the fields; results of another version are computed anew.
SCHEMA = 1
DONE, DAMAGED, INTERRUPTED, FAILED = 'done', 'damaged', 'interrupted', 'failed'
# Points of a thumbnail's lines, and its size.
_POINTS, _SIZE = 40, 100


@dataclass(eq=False)
class Result:
    """The result of a task.

    Attributes:
        name: of the recording.
        repeat: as of the task.
        status: DONE; DAMAGED: could be read in part, or the device was lost; INTERRUPTED by the
            user; FAILED: no figures.
        error: reason of another status than DONE, else empty.
        metrics: as ``collect_metrics`` gives them; empty where it failed.
        messages: warnings and errors.
        fingerprint: as ``fingerprint`` gives it; empty where it failed early.
        thumbnail: the path from above as lines of points in a square of 100 by 100, by the keys
            ``true`` and ``estimated``; empty without a path.
        resumed: whether an earlier run made it.
    """

    name: str
    repeat: int
    status: str
    error: str = ''
    metrics: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    fingerprint: dict[str, str] = field(default_factory=dict)
    thumbnail: dict[str, list[list[int]]] = field(default_factory=dict)
    resumed: bool = False

    def row(self) -> dict[str, Any]:
        """Return what is in the table of all recordings."""
        # Interned: of many recordings, the names would be most of the memory.
        metrics = {sys.intern(name): value for name, value in self.metrics.items()}
        return {
            **metrics,
            'sequence': self.name,
            'repeat': self.repeat,
            'status': self.status,
            'error': self.error,
        }


def failed(task: Task, error: str, messages: list[str] | None = None) -> Result:
    """Return the result of a failed task."""
    name = task.name or task.source
    return Result(name, task.repeat, FAILED, error, messages=messages or [])


def status_of(run: Run) -> str:
    """Return the status of a run that has ended."""
    if run.interrupted:
        return INTERRUPTED
    return DAMAGED if run.fault else DONE


def save(result: Result, folder: str) -> None:
    """Write ``result.json`` into a folder, given by path or URL, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    values = {
        'schema': SCHEMA,
        'name': result.name,
        'repeat': result.repeat,
        'status': result.status,
        'error': result.error,
        'fingerprint': result.fingerprint,
        'metrics': result.metrics,
        'thumbnail': result.thumbnail,
    }
    storage.write(storage.join(folder, FILE), json_text(values).encode())


def load(folder: str) -> Result | None:
    """Return the result in a folder, or None where there is none of this schema."""
    content = storage.read(storage.join(folder, FILE))
    try:
        values = json.loads(content or b'')
        if values.pop('schema') != SCHEMA:
            return None
        return Result(**values)
    # Another program's file of that name.
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def thumbnail_of(run: Run, alignment: Alignment | None) -> dict[str, list[list[int]]]:
    """Return the lines of a thumbnail: the path over the two axes in which it extends most."""
    shown = alignment.estimated if alignment else run.trajectory
    if not len(shown):
        return {}
    lines = {'estimated': shown.positions}
    if alignment is not None:
        lines['true'] = alignment.true.positions
    reference = lines.get('true', shown.positions)
    across, up = widest_axes(reference)
    chosen = np.unique(np.linspace(0, len(shown) - 1, _POINTS).astype(int))
    flat = {name: line[chosen][:, [across, up]] * [1, -1] for name, line in lines.items()}
    corners = flat.get('true', flat['estimated'])
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2.0
    scale = _SIZE / max(float(np.ptp(corners, axis=0).max()), 1e-9)
    return {name: _in_square(line, middle, scale) for name, line in flat.items()}


def _in_square(line: np.ndarray, middle: np.ndarray, scale: float) -> list[list[int]]:
    """Return points (N, 2) scaled to the square; outliers are clipped."""
    placed = np.round((line - middle) * scale + _SIZE / 2)
    points: list[list[int]] = np.clip(placed, -_SIZE, 2 * _SIZE).astype(int).tolist()
    return points
