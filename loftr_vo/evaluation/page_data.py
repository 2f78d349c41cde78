# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The data of the plots of the HTML report, frame by frame, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from loftr_vo.evaluation.plots import length_ratios, rotation_errors, widest_axes
from loftr_vo.evaluation.run_record import Run
from loftr_vo.evaluation.scoring import Alignment
from loftr_vo.geometry.trajectory import Trajectory

# Most frames in a plot; of more, an even choice keeps the page small.
MOST_FRAMES = 5000

_AXES = 'xyz'


def plot_data(run: Run, alignment: Alignment | None) -> dict[str, Any]:
    """Return the values that the page's script draws; None where a frame has no value.

    Args:
        run: with at least one frame.
        alignment: the estimate laid onto the ground truth, or None without.
    """
    stamps = np.array([record.stamp for record in run.records], np.int64)
    chosen = np.unique(np.linspace(0, len(stamps) - 1, min(len(stamps), MOST_FRAMES)).astype(int))
    shown = alignment.estimated if alignment else run.trajectory
    return {
        'frames': chosen.tolist(),
        'time': [round(float(t), 4) for t in (stamps[chosen] - stamps[0]) / 1e9],
        'states': [run.records[index].state.value[0] for index in chosen],
        'keyframes': [
            place for place, index in enumerate(chosen) if run.records[index].is_keyframe
        ],
        'path': _path(stamps[chosen], shown, alignment.true if alignment else None),
        'series': _series(run, stamps, chosen, alignment),
    }


@dataclass(frozen=True)
class View:
    """The direction from which a path is drawn.

    Attributes:
        across: the axis that points to the right, 0 to 2: the one in which it extends most.
        along: the axis that points up or down.
        down: whether it points down, which is so where the two are not in their order: seen from
            the same side, the path is turned and not mirrored.
    """

    across: int
    along: int
    down: bool

    @property
    def words(self) -> str:
        """The axes in words."""
        across, along = _AXES[self.across], _AXES[self.along]
        return f'{across} to the right, {along} {"down" if self.down else "up"}'


def view_of(positions: np.ndarray) -> View:
    """Return the view of positions (N, 3) that has the two axes in which they extend most."""
    first, second = widest_axes(positions)
    extent = np.ptp(positions, axis=0)
    if extent[first] >= extent[second]:
        return View(first, second, down=False)
    return View(second, first, down=True)


def _path(stamps: np.ndarray, shown: Trajectory, true: Trajectory | None) -> dict[str, Any]:
    view = view_of((true or shown).positions) if len(shown) else View(0, 2, down=False)
    axes = (('x', view.across), ('y', view.along))
    estimate = {name: _at(stamps, shown.stamps, shown.positions[:, axis]) for name, axis in axes}
    # Pose for pose as the estimate, whose stamps are those of the frames.
    truth = true and {
        name: _at(stamps, shown.stamps, true.positions[:, axis]) for name, axis in axes
    }
    return {'estimate': estimate, 'truth': truth, 'down': view.down}


def _series(
    run: Run, stamps: np.ndarray, chosen: np.ndarray, alignment: Alignment | None
) -> dict[str, Any]:
    records = [run.records[index] for index in chosen]

    def of_records(name: str) -> list[float | None]:
        return [_short(getattr(record, name)) for record in records]

    series = {
        'latency': _curve('', 'ms', 'amber', of_records('latency_ms')),
        'matches': _curve('matches', '', 'truth', of_records('matches')),
        'inliers': _curve('inliers', '', 'good', of_records('inliers')),
        'parallax': _curve('', '°', 'blue', of_records('parallax')),
    }
    if alignment is not None:
        known = alignment.estimated.stamps
        for name, unit, colour, values in (
            ('error', 'm', 'estimate', alignment.errors),
            # Those of a motion belong to the frame at its end.
            ('turn', '°', 'blue', np.append(np.nan, rotation_errors(alignment))),
            ('length', '', 'teal', np.append(np.nan, length_ratios(alignment))),
        ):
            series[name] = _curve('', unit, colour, _at(stamps[chosen], known, values))
    return series


def _curve(short: str, unit: str, colour: str, values: list[float | None]) -> dict[str, Any]:
    return {'short': short, 'unit': unit, 'colour': colour, 'values': values}


def _at(stamps: np.ndarray, known: np.ndarray, values: np.ndarray) -> list[float | None]:
    """Return the values at some stamps; None where there is none."""
    found = dict(zip(known.tolist(), values.tolist(), strict=True))
    return [_short(found.get(stamp, math.nan)) for stamp in stamps.tolist()]


def _short(value: float) -> float | None:
    return float(f'{value:.5g}') if math.isfinite(value) else None
