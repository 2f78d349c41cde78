# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The measurements of an IMU from their messages to the frames, checked on the way."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import numpy as np
from sensor_msgs.msg import Imu

from loftr_vo.config import NodeSettings
from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.imu_buffer import ImuBuffer
from loftr_vo.imaging.imu_clock import large_offset
from loftr_vo.imaging.imu_signal import ImuSignal
from loftr_vo.imaging.stamp_gate import Succession
from loftr_vo.odometry.estimate import Estimate
from loftr_vo.ros.health import Feed, Health
from loftr_vo.ros.imu_mounting import ImuMounting
from loftr_vo.ros.messages import nanoseconds

# Measurements that wait for a picture: ten seconds at 1 kHz, for a live camera. Where every
# picture is worked on, they may wait as long as the pictures do.
_KEPT, _KEPT_FOR_ALL = 10_000, 100_000
# Seconds that a picture waits for the measurement after it: a few periods, where the camera is
# live; its own way through the driver takes longer. Where it is not, as for other inputs.
_PATIENCE, _PATIENCE_FOR_ALL = 0.02, 0.15
# Seconds of silence after which nothing is waited for.
_SILENT = 0.5
# Nanoseconds between a picture and the nearest measurement from which their clocks differ.
_NOT_IN_STEP = 100_000_000
_ALONE = 'the camera goes on alone'


class ImuInput:
    """Keeps the measurements for the frames, and leaves them out where they cannot be used.

    ``receive`` is called on the executor's thread; ``accompany`` and ``note`` on the worker's.

    Args:
        settings: the node's.
        mounting: where the IMU is.
        mount: called once with its pose (4, 4), ``imu_from_camera``, when that is found.
        health: where the state is noted.
        time_shift: nanoseconds by which the IMU's stamps are ahead of the pictures'.

    Attributes:
        feed: of the topic.
        measured: called on the executor's thread with each measurement's stamp.
    """

    def __init__(
        self,
        settings: NodeSettings,
        mounting: ImuMounting,
        mount: Callable[[np.ndarray], None],
        health: Health,
        time_shift: int = 0,
    ) -> None:
        self._every = every = settings.queue_policy == 'all'
        self._patience = _PATIENCE_FOR_ALL if every else _PATIENCE
        self._was_late = False
        self._mounting = mounting
        self._mount = mount
        self._mounted = False
        self._time_shift = time_shift
        self._health = health
        self._signal = ImuSignal()
        self._buffer = ImuBuffer(_KEPT_FOR_ALL if every else _KEPT)
        self._frame_id: str | None = None
        # Of the last frame: why it has no measurements, and whether it has some.
        self._why_not = ''
        self._given = False
        self.feed = Feed()
        self.measured: Callable[[int], None] | None = None
        self._forget()

    @property
    def imu_from_camera(self) -> np.ndarray | None:
        """(4, 4), maps points of the camera to the IMU; None until that is known."""
        return self._mounting.imu_from_camera

    def receive(self, message: Imu) -> None:
        """Take a message; its orientation is not used."""
        turn, force = message.angular_velocity, message.linear_acceleration
        self._frame_id = message.header.frame_id
        stamp = nanoseconds(message.header.stamp) - self._time_shift
        values = (turn.x, turn.y, turn.z), (force.x, force.y, force.z)
        how = self._signal.accept(stamp, *values)
        if how is Succession.JUMP:
            self._buffer.clear()
        if how is not Succession.REFUSED:
            self._buffer.put(stamp, *values)
        self._health.imu = self._signal.report
        if self.measured is not None and how is not Succession.REFUSED:
            self.measured(stamp)

    def since(self, stamp: int) -> ImuSamples | None:
        """Return the measurements after a stamp and the one before it."""
        return self._buffer.since(stamp)

    def accompany(self, frame: Frame) -> Frame:
        """Return the frame with the measurements since the last one, if they can be used."""
        taken = self._buffer.take(frame.stamp, self._patience_now())
        self._was_late = taken is None or taken.stamps[-1] < frame.stamp
        self._why_not = self._find_obstacle()
        usable = self._mounted and self._signal.report.is_usable and not self._why_not
        self._given = usable and taken is not None
        return dataclasses.replace(frame, imu=taken if usable else None)

    def note(self, estimate: Estimate) -> None:
        """Note whether the odometry leaves the measurements out, or corrects their stamps."""
        fault, offset = estimate.imu_fault, large_offset(estimate.imu_offset)
        contradiction = f'imu: {fault}; {_ALONE}' if fault else ''
        warning = f'imu: {offset}' if offset else ''
        self._health.imu_error = self._why_not or contradiction or warning
        self._health.imu_used = self._given and not fault

    def close(self) -> None:
        """End the waiting, and what is known of the IMU."""
        self._buffer.close()
        self._forget()

    def _forget(self) -> None:
        health = self._health
        health.imu, health.imu_error, health.imu_used = None, '', False
        health.odom_tilt = math.nan

    def _patience_now(self) -> float:
        """Return the seconds to wait for measurements of the next frame.

        Where they are always late, as of an IMU whose clock is behind, a live camera does not wait
        for them in vain each time.
        """
        keeps_coming = self.feed.rate.silence(time.monotonic()) < _SILENT
        in_vain = self._was_late and not self._every
        return self._patience if keeps_coming and not in_vain else 0.0

    def _find_obstacle(self) -> str:
        """Return why the next frame goes without measurements; empty where it does not."""
        if self._frame_id is None:
            return ''  # nothing has come
        if not self._mounted and not self._find(self._frame_id):
            return f'imu: {self._mounting.missing}'
        apart = self._buffer.apart
        if apart is not None and apart > _NOT_IN_STEP:
            return (
                f'the nearest measurement of imu is {1e-6 * apart:.1f} ms from its picture: not '
                f'in step; {_ALONE}'
            )
        return ''

    def _find(self, frame_id: str) -> bool:
        """Find where the IMU is; return whether that is known."""
        pose = self._mounting.find(frame_id)
        if pose is None:
            return False
        self._mount(pose)
        self._mounted = True
        return True
