# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Runs an odometry over a sequence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from loftr_vo.datasets import DatasetError, Sequence
from loftr_vo.evaluation.interrupts import was_interrupted
from loftr_vo.evaluation.run_record import FrameRecord, MatchSample, Run
from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.estimate import Estimate

_LATEST = np.iinfo(np.int64).max  # nanoseconds

Show = Callable[[Frame, Estimate, float], None]

# Pairs of pictures kept for the report, evenly along the sequence.
SAMPLES = 4


class Odometry(Protocol):
    """An odometry: frame in, estimate out."""

    def mount_imu(self, imu_from_camera: np.ndarray, noise: ImuNoise | None = None) -> None:
        """Set where an IMU is beside the camera; called only where a recording has one."""

    def track(self, frame: Frame) -> Estimate:
        """Return the estimate after one more frame."""


def run_sequence(
    sequence: Sequence,
    odometry: Odometry,
    progress: Callable[[Iterable[Frame]], Iterable[Frame]] = iter,
    keep: Callable[[FrameRecord], None] | None = None,
    show: Show | None = None,
) -> Run:
    """Give every frame of a sequence to an odometry.

    An interrupt, a recording that turns out to be damaged, or a lost device ends the run early;
    the records until then are returned.

    Args:
        sequence: the frames.
        odometry: estimates the motion.
        progress: wraps the frames to show how far the run is, as ``tqdm`` does.
        keep: called with each new record, for example to write it.
        show: called with each frame, its estimate, and the milliseconds that it took.

    Raises:
        DatasetError: the first frame cannot be read.
        CalibrationError: the first frame does not fit the camera.
    """
    run = Run()
    if sequence.imu is not None:
        odometry.mount_imu(sequence.imu.imu_from_camera, sequence.imu.noise)
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
            if show is not None:
                show(frame, estimate, latency_ms)
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
        calibration=estimate.calibration,
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
