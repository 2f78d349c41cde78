# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Standard measures of a run besides the scores: loss, drift of scale, NEES, speed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from loftr_vo.evaluation import consistency
from loftr_vo.evaluation.kitti import KITTI_LENGTHS, segment_errors
from loftr_vo.evaluation.run_record import Run
from loftr_vo.evaluation.scoring import DRIFT_MOTIONS, Alignment, import_evo, to_evo
from loftr_vo.geometry.trajectory import Trajectory

if TYPE_CHECKING:
    from loftr_vo.odometry.estimate import Estimate

# Frames over which the relative pose error (RPE) is taken.
RPE_FRAMES = (1, 10, 100)
# A line through the scale along the path takes at least this many values of the scale.
_LEAST_SCALES = 3


def standard_measures(run: Run, frames: int, alignment: Alignment | None) -> dict[str, Any]:
    """Return measures under the names that ``metrics.json`` uses; docs/evaluation.md has them.

    Args:
        run: the outcome.
        frames: number of frames of the recording.
        alignment: of the estimate with the ground truth; None leaves what needs one at NaN.
    """
    return {
        'tracked_percent': 100.0 * run.tracked / max(frames, 1),
        **_losses(run),
        'latency_ms_p95': _percentile([record.latency_ms for record in run.records], 95.0),
        'real_time_factor': _real_time_factor(run),
        **_relative_pose_errors(alignment),
        **_kitti_by_length(alignment),
        'scale_drift_percent_per_100m': _scale_drift(alignment),
        **_nees(run, alignment),
    }


def _losses(run: Run) -> dict[str, float]:
    """Time in seconds without a tracked pose, in all and at most in one go.

    A loss lasts from its first frame to the next tracked one, or to the last frame.
    """
    total = longest = 0.0
    start: int | None = None
    for record, tracked in zip(run.records, run.tracked_mask, strict=True):
        if start is None and not tracked:
            start = record.stamp
        elif start is not None and tracked:
            lost = (record.stamp - start) / 1e9
            total, longest, start = total + lost, max(longest, lost), None
    if start is not None:
        lost = (run.records[-1].stamp - start) / 1e9
        total, longest = total + lost, max(longest, lost)
    return {'lost_s': total, 'longest_loss_s': longest}


def _percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else math.nan


def _real_time_factor(run: Run) -> float:
    """Time that the recording took over the time that the odometry took; above 1 is faster."""
    computed = sum(record.latency_ms for record in run.records) / 1e3
    if len(run.records) < 2 or computed <= 0.0:
        return math.nan
    return (run.records[-1].stamp - run.records[0].stamp) / 1e9 / computed


def _relative_pose_errors(alignment: Alignment | None) -> dict[str, float]:
    """RPE over 1, 10 and 100 poses, by evo, RMSE over all pairs; NaN for too short a path."""
    found: dict[str, float] = {}
    for frames in RPE_FRAMES:
        for part, unit in (('translation', 'm'), ('rotation', 'deg')):
            value = math.nan
            if alignment is not None and len(alignment.true) > frames:
                value = _rpe(alignment, frames, part)
            found[f'rpe_{frames}_{part}_{unit}'] = value
    return found


def _rpe(alignment: Alignment, frames: int, part: str) -> float:
    metrics = import_evo('evo.core.metrics')
    relation = metrics.PoseRelation
    rpe = metrics.RPE(
        relation.translation_part if part == 'translation' else relation.rotation_angle_deg,
        delta=frames,
        delta_unit=metrics.Unit.frames,
        all_pairs=True,
    )
    rpe.process_data((to_evo(alignment.true), to_evo(alignment.estimated)))
    return float(rpe.get_statistic(metrics.StatisticsType.rmse))


def _kitti_by_length(alignment: Alignment | None) -> dict[str, float]:
    """Mean translation error in percent over KITTI's segments, by their length."""
    found: dict[str, float] = {}
    for length in KITTI_LENGTHS:
        errors = np.empty(0)
        if alignment is not None and alignment.true.path_length > length:
            errors, _ = segment_errors(alignment.estimated, alignment.true, length)
        found[f'kitti_{length:.0f}m_translation_percent'] = (
            100.0 * float(errors.mean()) if errors.size else math.nan
        )
    return found


def _scale_drift(alignment: Alignment | None) -> float:
    """Change of the estimate's scale in percent per 100 m of the true path.

    The scale is that of a few motions together, estimated over true length. Its logarithm is
    fitted by a line along the path (least squares, weighted by the true length).
    """
    if alignment is None:
        return math.nan
    found, wanted = _lengths(alignment.estimated), _lengths(alignment.true)
    along = (alignment.true.distances[:-1] + alignment.true.distances[1:]) / 2.0
    # While initialising the estimate stands still, and has no scale.
    moving = (found > 0.0) & (wanted > 0.0)
    count = int(moving.sum()) // DRIFT_MOTIONS
    if count < _LEAST_SCALES:
        return math.nan
    found, wanted, along = (
        values[moving][: count * DRIFT_MOTIONS].reshape(count, DRIFT_MOTIONS)
        for values in (found, wanted, along)
    )
    length = wanted.sum(axis=1)
    scale = np.log(found.sum(axis=1) / length)
    slope, _ = np.polyfit(along.mean(axis=1), scale, 1, w=np.sqrt(length))
    return 100.0 * math.expm1(float(np.clip(100.0 * slope, -50.0, 50.0)))


def _lengths(trajectory: Trajectory) -> np.ndarray:
    return np.diff(trajectory.distances)


def _nees(run: Run, alignment: Alignment | None) -> dict[str, float]:
    """Normalised estimation error squared (NEES) of the tracked poses; see consistency.py.

    It has six degrees of freedom: its mean is 6 where the covariances are right.
    """
    normalised = np.empty(0)
    if alignment is not None and not run.metric:
        normalised = _normalised_errors(run, alignment)
    if not normalised.size:
        return {'nees_mean': math.nan, 'nees_median': math.nan, 'nees_inside_percent': math.nan}
    return {
        'nees_mean': float(normalised.mean()),
        'nees_median': float(np.median(normalised)),
        'nees_inside_percent': 100.0 * consistency.inside(normalised),
    }


def _normalised_errors(run: Run, alignment: Alignment) -> np.ndarray:
    scored = dict(zip(alignment.estimated.stamps.tolist(), alignment.true.poses, strict=True))
    records = [record for record in run.records if record.stamp in scored]
    # The errors are in the world that the first frame is the origin of.
    if not records or records[0] is not run.records[0]:
        return np.empty(0)
    true = np.stack([scored[record.stamp] for record in records])
    known = [
        record.covariance is not None and bool(np.isfinite(record.covariance).all())
        for record in records
    ]
    if not all(known):
        return np.empty(0)
    try:
        # Records have the attributes of an estimate that are read: state, pose, covariance.
        return consistency.normalised_errors(cast('list[Estimate]', records), true)
    # Nothing tracked, a camera that has not moved, or a covariance without an inverse.
    except (ValueError, np.linalg.LinAlgError):
        return np.empty(0)
