# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Runs an odometry over a sequence."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from loftr_vo.datasets import DatasetError, Sequence
from loftr_vo.evaluation.interrupts import was_interrupted
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import Estimate, State

_LATEST = np.iinfo(np.int64).max  # nanoseconds
# Pairs of pictures kept for the report, evenly along the sequence.
SAMPLES = 4


class Odometry(Protocol):
    """An odometry: frame in, estimate out."""

    def track(self, frame: Frame) -> Estimate:
        """Return the estimate after one more frame."""


@dataclass(frozen=True, eq=False, slots=True)
class FrameRecord:
    """What is kept of a frame's estimate; the attributes are those of ``Estimate``.

    Attributes:
        latency_ms: wall time that the frame took, in milliseconds.
        scale_sigma: ``scale.sigma`` of the estimate.
        readout_time: seconds, NaN where it was not known.
        covariance: (6, 6) as of ``Estimate``; None where it was not kept.
    """

    stamp: int
    state: State
    reason: str
    pose: np.ndarray
    matches: int
    inliers: int
    parallax: float
    is_keyframe: bool
    metric: bool
    latency_ms: float
    scale_sigma: float = math.inf
    readout_time: float = math.nan
    covariance: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class MatchSample:
    """The matches of one frame with its keyframe, with what is needed to draw them."""

    frame_index: int
    keyframe_image: np.ndarray
    image: np.ndarray
    matches: Matches
    inliers: np.ndarray
    parallax: float


@dataclass
class Run:
    """The outcome of an odometry on a sequence.

    Attributes:
        records: one per frame, in order.
        samples: matches of a few frames.
        interrupted: whether the user stopped it before the end.
        fault: why it ended before the end of the recording; empty if it did not.
    """

    records: list[FrameRecord] = field(default_factory=list)
    samples: list[MatchSample] = field(default_factory=list)
    interrupted: bool = False
    fault: str = ''

    @property
    def complete(self) -> bool:
        """Whether every frame of the recording was worked on."""
        return not self.interrupted and not self.fault

    @property
    def frames(self) -> int:
        """Number of frames worked on."""
        return len(self.records)

    @property
    def tracked(self) -> int:
        """Number of frames tracked: those in state tracking, and the initialising before them.

        Initialising that ends in loss, or with the sequence, has found no pose and is left out.
        """
        return sum(self.tracked_mask)

    def first_untracked(self) -> tuple[int, str]:
        """Return the index and the reason of the first frame that is not tracked.

        Raises:
            ValueError: all are tracked.
        """
        index = self.tracked_mask.index(False)
        return index, self.records[index].reason

    @property
    def tracked_mask(self) -> list[bool]:
        """Which frames count as tracked."""
        mask: list[bool] = []
        leads_to_tracking = False
        for record in reversed(self.records):
            if record.state is not State.INITIALISING:
                leads_to_tracking = record.state is State.TRACKING
            mask.append(leads_to_tracking)
        return mask[::-1]

    @property
    def metric(self) -> bool:
        """Whether lengths are metres, from some frame on; see ``metric_from``."""
        return self.metric_from is not None

    @property
    def metric_from(self) -> int | None:
        """Index of the frame from which on the tracked lengths are metres; None if never."""
        first = None
        for index in range(len(self.records) - 1, -1, -1):
            record = self.records[index]
            if record.metric:
                first = index
            elif record.state is State.TRACKING:
                break
        return first

    @property
    def trajectory(self) -> Trajectory:
        """The poses of all frames but the lost ones; while initialising, the pose held."""
        return _trajectory(self.records)

    @property
    def metric_trajectory(self) -> Trajectory:
        """The part of the trajectory whose lengths are metres."""
        first = self.metric_from
        return _trajectory([] if first is None else self.records[first:])

    @property
    def readout_time(self) -> float:
        """Seconds in which the rows are read, as known in the end; NaN if it is not."""
        return self.records[-1].readout_time if self.records else math.nan

    @property
    def latency_ms_median(self) -> float:
        """Median wall time of a frame in milliseconds; NaN when there was none."""
        if not self.records:
            return float('nan')
        return float(np.median([record.latency_ms for record in self.records]))


def _trajectory(records: list[FrameRecord]) -> Trajectory:
    kept = [record for record in records if record.state is not State.LOST]
    return Trajectory(
        np.array([record.stamp for record in kept], np.int64),
        np.array([record.pose for record in kept]).reshape(-1, 4, 4),
    )


def run_sequence(
    sequence: Sequence,
    odometry: Odometry,
    progress: Callable[[Iterable[Frame]], Iterable[Frame]] = iter,
    keep: Callable[[FrameRecord], None] | None = None,
) -> Run:
    """Give every frame of a sequence to an odometry.

    An interrupt, a recording that turns out to be damaged, or a lost device ends the run early;
    the records until then are returned.

    Args:
        sequence: the frames.
        odometry: estimates the motion.
        progress: wraps the frames to show how far the run is, as ``tqdm`` does.
        keep: called with each new record, for example to write it.

    Raises:
        DatasetError: the first frame cannot be read.
        CalibrationError: the first frame does not fit the camera.
    """
    run = Run()
    sampled = np.linspace(0, len(sequence) - 1, SAMPLES + 2)[1:-1]
    try:
        for frame in progress(sequence):
            _check_stamp(frame.stamp, run)
            started = time.perf_counter()
            estimate = odometry.track(frame)
            latency_ms = (time.perf_counter() - started) * 1e3
            run.records.append(_record(estimate, latency_ms))
            if keep is not None:
                keep(run.records[-1])
            due = int(np.sum(sampled < run.frames))
            if due > len(run.samples) and (sample := _sample(run.frames - 1, frame, estimate)):
                run.samples.append(sample)
            # A library may have dropped the exception of an interrupt.
            if was_interrupted():
                run.interrupted = True
                break
    except KeyboardInterrupt:
        run.interrupted = True
    except Exception as error:
        # A library may have replaced KeyboardInterrupt by an error of its own.
        if was_interrupted():
            run.interrupted = True
        elif run.records and _ends_only_the_run(error):
            run.fault = str(error)
        else:
            raise
    return run


def _ends_only_the_run(error: Exception) -> bool:
    """Whether an error is of the recording or the device, and not of the program."""
    if not isinstance(error, RuntimeError):
        return isinstance(error, (DatasetError, CalibrationError))
    # Imported late: only what has loaded torch can raise it.
    from loftr_vo.matching.device import DeviceLostError

    return isinstance(error, DeviceLostError)


def _check_stamp(stamp: int, run: Run) -> None:
    """Refuse a stamp that a trajectory cannot have."""
    if not abs(stamp) <= _LATEST:
        raise DatasetError(f'frame {run.frames} has a stamp of {stamp} ns, which is no time')
    if run.records and stamp <= run.records[-1].stamp:
        raise DatasetError(f'the stamp of frame {run.frames} is not after the one before it')


def _record(estimate: Estimate, latency_ms: float) -> FrameRecord:
    return FrameRecord(
        stamp=estimate.stamp,
        state=estimate.state,
        reason=estimate.reason,
        # A copy: a view would keep the whole array in memory.
        pose=np.array(estimate.pose, np.float64),
        matches=estimate.match_count,
        inliers=estimate.inlier_count,
        parallax=estimate.parallax,
        is_keyframe=estimate.is_keyframe,
        metric=estimate.metric,
        latency_ms=latency_ms,
        scale_sigma=estimate.scale.sigma,
        readout_time=estimate.readout_time,
        covariance=np.array(estimate.covariance, np.float64),
    )


def _sample(index: int, frame: Frame, estimate: Estimate) -> MatchSample | None:
    matches, inliers = estimate.matches, estimate.inliers
    if not matches or inliers is None or estimate.keyframe_image is None:
        return None
    return MatchSample(
        frame_index=index,
        keyframe_image=estimate.keyframe_image,
        image=frame.image,
        matches=matches,
        inliers=inliers,
        parallax=estimate.parallax,
    )
