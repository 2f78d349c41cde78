# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of an estimated trajectory against ground truth.

Association, alignment, APE and RPE are evo's (https://github.com/MichaelGrupp/evo), an optional
extra; it is imported only when something is scored.
"""

from __future__ import annotations

import copy
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loftr_vo.evaluation.kitti import kitti_errors
from loftr_vo.geometry.trajectory import Trajectory

if TYPE_CHECKING:
    from evo.core.trajectory import PoseTrajectory3D

# An estimated pose belongs to the true pose nearest in time if that is within this many seconds.
MAX_TIME_DIFFERENCE = 0.02

# Motions at either end of the path that the scale drift is taken from.
DRIFT_MOTIONS = 5


class EvaluationError(ValueError):
    """A trajectory cannot be scored; the message says why and what to do."""


@dataclass(frozen=True)
class Scores:
    """Errors of an estimate; NaN where the path determines no value.

    Attributes:
        path_length_m: length of the true path through the frames that have an estimate.
        ate_rmse_m: root mean square distance of the positions after alignment, by Sim(3) when
            the estimate has no metric scale, else by SE(3).
        ate_percent: ``ate_rmse_m`` in percent of ``path_length_m``.
        rpe_rotation_deg: median error of the rotation from one frame to the next.
        kitti_translation_percent: mean translation error over segments of the path, in percent
            of their length; see ``kitti_errors``.
        kitti_rotation_deg_per_m: mean rotation error over the same segments.
        scale_drift: how many times longer the estimate is, relative to the truth, over the last
            five motions than over the first five; one is no drift.
        scale: the factor that the alignment put on the estimate; one for a metric estimate.
        scale_error_percent: by how much a metric estimate is too long, by the scale that fits
            best; NaN for one that is not metric.
    """

    path_length_m: float
    ate_rmse_m: float
    ate_percent: float
    rpe_rotation_deg: float
    kitti_translation_percent: float
    kitti_rotation_deg_per_m: float
    scale_drift: float
    scale: float
    scale_error_percent: float = float('nan')


@dataclass(frozen=True)
class Alignment:
    """An estimate laid onto the ground truth, pose by pose.

    Attributes:
        estimated: the estimate, moved (and scaled, unless metric) onto the truth.
        true: the true poses at the same frames.
        scale: the factor put on the estimate.
        fitting_scale: the factor that would fit a metric estimate best; else NaN.
    """

    estimated: Trajectory
    true: Trajectory
    scale: float
    fitting_scale: float = float('nan')

    @property
    def errors(self) -> np.ndarray:
        """Distance of each estimated position from the true one: (N,) float64, metres."""
        return np.linalg.norm(self.estimated.positions - self.true.positions, axis=1)


def require_evo() -> None:
    """Make sure that evo is installed.

    Raises:
        EvaluationError: evo is not installed.
    """
    import_evo('evo.core.metrics')


def align(estimated: Trajectory, ground_truth: Trajectory, metric: bool) -> Alignment:
    """Associate by time and align by least squares (Umeyama, PAMI 1991).

    Args:
        estimated: world from camera, in a world of its own.
        ground_truth: world from camera, metres.
        metric: whether the lengths of the estimate are metres; if not they are scaled.

    Raises:
        EvaluationError: evo is not installed, the times have nothing in common, or the positions
            determine no alignment.
    """
    sync, evo = import_evo('evo.core.sync'), import_evo('evo')
    origin = int(ground_truth.stamps[0]) if len(ground_truth) else 0
    if len(estimated) < 3:
        raise EvaluationError(
            f'only {len(estimated)} frames have a pose; an alignment needs three or more'
        )
    try:
        true, moved = sync.associate_trajectories(
            to_evo(ground_truth, origin),
            to_evo(estimated, origin),
            max_diff=MAX_TIME_DIFFERENCE,
        )
        _, _, fitting = copy.deepcopy(moved).align(true, correct_scale=True)
        _, _, scale = moved.align(true, correct_scale=not metric)
    except evo.EvoException as error:
        raise EvaluationError(
            f'the estimate cannot be laid onto the ground truth: {error}'
        ) from error
    return Alignment(
        _from_evo(moved, origin),
        _from_evo(true, origin),
        float(scale),
        float(fitting) if metric else float('nan'),
    )


def score(estimated: Trajectory, ground_truth: Trajectory, metric: bool) -> Scores:
    """Score an estimate against the ground truth; see ``align`` for arguments and errors."""
    return score_alignment(align(estimated, ground_truth, metric))


def score_alignment(alignment: Alignment) -> Scores:
    """Score an estimate that is aligned with the ground truth."""
    length = alignment.true.path_length
    ate = _evo_rmse(alignment)
    translation, rotation = kitti_errors(alignment.estimated, alignment.true)
    return Scores(
        path_length_m=length,
        ate_rmse_m=ate,
        ate_percent=100.0 * ate / length if length else float('nan'),
        rpe_rotation_deg=_evo_rotation_error(alignment),
        kitti_translation_percent=translation,
        kitti_rotation_deg_per_m=rotation,
        scale_drift=_scale_drift(alignment.estimated, alignment.true),
        scale=alignment.scale,
        scale_error_percent=100.0 * (1.0 / alignment.fitting_scale - 1.0),
    )


def _scale_drift(estimated: Trajectory, true: Trajectory) -> float:
    found, wanted = np.diff(estimated.distances), np.diff(true.distances)
    # While initialising the estimate stands still, and has no scale.
    moving = (found > 0.0) & (wanted > 0.0)
    found, wanted = found[moving], wanted[moving]
    if len(found) < 2 * DRIFT_MOTIONS:
        return float('nan')
    first, last = slice(None, DRIFT_MOTIONS), slice(-DRIFT_MOTIONS, None)
    return float(
        (found[last].sum() / wanted[last].sum()) / (found[first].sum() / wanted[first].sum())
    )


def import_evo(module: str) -> Any:
    """Return a module of evo.

    Raises:
        EvaluationError: evo is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EvaluationError(
            'scoring a trajectory needs evo, which is not installed; install it with '
            '"pip install evo"'
        ) from error


def _evo_rmse(alignment: Alignment) -> float:
    metrics = import_evo('evo.core.metrics')
    ape = metrics.APE(metrics.PoseRelation.translation_part)
    ape.process_data((to_evo(alignment.true), to_evo(alignment.estimated)))
    return float(ape.get_statistic(metrics.StatisticsType.rmse))


def _evo_rotation_error(alignment: Alignment) -> float:
    metrics = import_evo('evo.core.metrics')
    rpe = metrics.RPE(metrics.PoseRelation.rotation_angle_deg, delta=1)
    rpe.process_data((to_evo(alignment.true), to_evo(alignment.estimated)))
    return float(rpe.get_statistic(metrics.StatisticsType.median))


def to_evo(trajectory: Trajectory, origin: int = 0) -> PoseTrajectory3D:
    """Return a trajectory as evo's, with seconds since ``origin`` (nanoseconds)."""
    # Seconds since `origin`: those since 1970 would not keep their nanoseconds in a float.
    seconds = (trajectory.stamps - origin) / 1e9
    return import_evo('evo.core.trajectory').PoseTrajectory3D(
        poses_se3=list(trajectory.poses), timestamps=seconds
    )


def _from_evo(trajectory: PoseTrajectory3D, origin: int) -> Trajectory:
    stamps = np.round(np.asarray(trajectory.timestamps) * 1e9).astype(np.int64) + origin
    return Trajectory(stamps, np.stack(trajectory.poses_se3))
