# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The records of a run: one per frame, and matches of a few frames."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.calibration.calibration_status import (
    UNKNOWN_CALIBRATION,
    CalibrationStatus,
)
from loftr_vo.odometry.estimate import State


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
    calibration: CalibrationStatus = UNKNOWN_CALIBRATION
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
    def calibration(self) -> CalibrationStatus:
        """How far off the calibration looks in the end."""
        return self.records[-1].calibration if self.records else UNKNOWN_CALIBRATION

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
