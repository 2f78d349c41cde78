# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Two sets of results, compared recording by recording, with significance."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from loftr_vo.evaluation.batch.result import DAMAGED, DONE, FAILED, INTERRUPTED
from loftr_vo.evaluation.batch.schema import COLUMNS, Column

MEASURES = tuple(column for column in COLUMNS if column.better)
# A run that ended early has the figures of a shorter recording.
_RANKS = {DONE: 0, DAMAGED: 1, INTERRUPTED: 1, FAILED: 2}
_RESAMPLES = 2000
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Change:
    """How a measure of one recording differs.

    Attributes:
        sequence: the recording.
        measure: its column.
        before, after: the medians over the repeats; NaN where it is not known.
        harm: by how much it is worse, in percent of before (of a measure in percent where more
            is better, in points); negative where it is better, infinite where it is lost.
        spread: the range of the repeats in the same unit; 0 without repeats.
    """

    sequence: str
    measure: Column
    before: float
    after: float
    harm: float
    spread: float = 0.0

    def is_worse(self, tolerance: float) -> bool:
        """Whether it is worse by more than a tolerance in percent, and than repeats differ."""
        return self.harm > max(tolerance, self.spread)

    def is_better(self, tolerance: float) -> bool:
        """Whether it is better by more than that."""
        return -self.harm > max(tolerance, self.spread)


@dataclass(frozen=True)
class MeasureSummary:
    """How a measure differs over all recordings.

    Attributes:
        measure: its column.
        before, after: the medians over the recordings that have it in both.
        harm: the median of the recordings' harms in percent, and its bootstrap interval of 95 %
            (BCa, Efron 1987; the ends are NaN for fewer than three recordings).
        low, high: the interval.
        better, worse: how many recordings changed at all, by direction.
        probability: of so uneven a split if either were as likely (two-sided sign test).
    """

    measure: Column
    before: float
    after: float
    harm: float
    low: float
    high: float
    better: int
    worse: int
    probability: float


@dataclass
class Comparison:
    """What differs between results A and B.

    Attributes:
        changes: of each recording and measure that differs, the most harmful first.
        summaries: of each measure, the most harmful first.
        paired: how many recordings are in both.
        only_before, only_after: recordings that are in A or in B alone.
        failed: recordings that are done in A and not in B, or damaged in A and failed in B.
        recovered: the same the other way round.
        fewer_frames: recordings with fewer frames in B than in A, though both are done.
    """

    changes: list[Change] = field(default_factory=list)
    summaries: list[MeasureSummary] = field(default_factory=list)
    paired: int = 0
    only_before: list[str] = field(default_factory=list)
    only_after: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    fewer_frames: list[str] = field(default_factory=list)

    @property
    def has_losses(self) -> bool:
        """Whether a recording, or a part of one, is in A alone."""
        return bool(self.failed or self.only_before or self.fewer_frames)

    def worse(self, tolerance: float, timing_tolerance: float | None = None) -> list[Change]:
        """Return the changes for the worse, the most harmful first.

        Args:
            tolerance: in percent.
            timing_tolerance: in percent, for measures of time; None leaves these out.
        """
        return [c for c in self.changes if _counts(c, tolerance, timing_tolerance, worse=True)]

    def better(self, tolerance: float, timing_tolerance: float | None = None) -> list[Change]:
        """Return the changes for the better, the least first."""
        return [c for c in self.changes if _counts(c, tolerance, timing_tolerance, worse=False)]


def compare(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Comparison:
    """Compare rows of results A and B, as ``read_results`` gives them."""
    first, second = _by_recording(before), _by_recording(after)
    both = [name for name in first if name in second]
    ranks = {name: (_rank(first[name]), _rank(second[name])) for name in both}
    fine = [name for name, (old, new) in ranks.items() if old == new < _RANKS[FAILED]]
    found = Comparison(
        paired=len(both),
        only_before=[name for name in first if name not in second],
        only_after=[name for name in second if name not in first],
        failed=[name for name, (old, new) in ranks.items() if new > old],
        recovered=[name for name, (old, new) in ranks.items() if new < old],
        fewer_frames=[name for name in fine if _frames(second[name]) < _frames(first[name])],
    )
    for measure in MEASURES:
        changes = [
            change
            for name in fine
            if (change := _change(name, measure, first[name], second[name])) is not None
        ]
        found.changes += [change for change in changes if change.harm]
        if changes:
            found.summaries.append(_summary(measure, changes))
    found.changes.sort(key=lambda change: -change.harm)
    found.summaries.sort(key=lambda each: -each.harm)
    return found


def _counts(change: Change, tolerance: float, timing: float | None, worse: bool) -> bool:
    bound = timing if change.measure.is_timing else tolerance
    if bound is None:
        return False
    return change.is_worse(bound) if worse else change.is_better(bound)


def _by_recording(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[str(row['sequence'])].append(row)
    return dict(found)


def _rank(rows: list[dict[str, Any]]) -> int:
    """Return the rank of the status of a recording's worst run; higher is worse."""
    # Results of a single recording have no status: it is done.
    return max(_RANKS.get(row.get('status') or DONE, _RANKS[FAILED]) for row in rows)


def _frames(rows: list[dict[str, Any]]) -> float:
    return min(float(row.get('frames') or math.inf) for row in rows)


def _change(
    name: str, measure: Column, before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> Change | None:
    """Return how a measure differs; None where neither has it."""
    old, new = _values(before, measure), _values(after, measure)
    if not old.size and not new.size:
        return None
    if not new.size:
        return Change(name, measure, float(np.median(old)), math.nan, math.inf)
    if not old.size:
        return Change(name, measure, math.nan, float(np.median(new)), -math.inf)
    first, second = float(np.median(old)), float(np.median(new))
    spread = max(float(np.ptp(old)), float(np.ptp(new)))
    return Change(
        name,
        measure,
        first,
        second,
        _harm(measure, first, second),
        abs(_harm(measure, first, first + spread)),
    )


def _values(rows: list[dict[str, Any]], measure: Column) -> np.ndarray:
    values = [row.get(measure.name) for row in rows]
    numbers = [float(value) for value in values if value is not None]
    return np.array([value for value in numbers if math.isfinite(value)], np.float64)


def _harm(measure: Column, before: float, after: float) -> float:
    worse = before - after if measure.better == 'higher' else after - before
    if abs(worse) < measure.floor:
        return 0.0
    if measure.unit == '%' and measure.better == 'higher':
        return worse
    # Nearly zero is replaced by the smallest change that counts.
    return 100.0 * worse / max(abs(before), measure.floor)


def _summary(measure: Column, changes: list[Change]) -> MeasureSummary:
    both = [c for c in changes if math.isfinite(c.harm)]
    harms = np.array([change.harm for change in both])
    better, worse = sum(c.harm < 0 for c in changes), sum(c.harm > 0 for c in changes)
    low, high = _interval(harms)
    return MeasureSummary(
        measure,
        float(np.median([change.before for change in both])) if both else math.nan,
        float(np.median([change.after for change in both])) if both else math.nan,
        float(np.median(harms)) if both else math.nan,
        low,
        high,
        better,
        worse,
        float(stats.binomtest(worse, worse + better).pvalue) if worse + better else 1.0,
    )


def _interval(harms: np.ndarray) -> tuple[float, float]:
    """Return the bootstrap interval of the median of harms (N,)."""
    if len(harms) < 3:
        return math.nan, math.nan
    if np.ptp(harms) == 0.0:
        return float(harms[0]), float(harms[0])
    # BCa where it is defined; where jackknifed medians are all alike it is not.
    for method in ('BCa', 'percentile'):
        with np.errstate(all='ignore'):
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                found = stats.bootstrap(
                    (harms,),
                    np.median,
                    n_resamples=_RESAMPLES,
                    confidence_level=_CONFIDENCE,
                    method=method,
                    random_state=np.random.default_rng(0),
                ).confidence_interval
        if math.isfinite(found.low) and math.isfinite(found.high):
            break
    return float(found.low), float(found.high)
