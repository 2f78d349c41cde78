# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that the odometry runs on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.stamp_gate import StampGate, Succession
from loftr_vo.matching.cpu_memory import return_unused_memory
from loftr_vo.odometry.estimate import Estimate
from loftr_vo.ros.device import is_device_fault
from loftr_vo.ros.health import Health
from loftr_vo.ros.inputs import Arrival
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.mailbox import Mailbox
from loftr_vo.ros.own_errors import details
from loftr_vo.ros.picture_decoder import PictureDecoder

# Without it the memory of the node grew by 45 MiB in half an hour (docs/reliability.md).
_SECONDS_BETWEEN_RETURNS_OF_MEMORY = 60.0


@dataclass(frozen=True)
class Tracked:
    """A frame on its way through the odometry.

    Attributes:
        frame: the frame.
        camera_frame: the picture's frame_id, a TF frame.
        arrival: when its picture arrived, in seconds of the monotonic clock.
        start: when work on it began.
    """

    frame: Frame
    camera_frame: str
    arrival: float
    start: float


class Worker:
    """Takes pictures out of the mailbox, tracks them, hands the estimates on.

    A picture that cannot be used, or that the odometry fails on, is reported and left out; the
    next one is tried again. When the device fails, every picture would fail: the thread ends.

    Args:
        odometry: a ``VisualOdometry``.
        mailbox: of the pictures; when it is closed the thread ends after the frame in work.
        decoder: makes frames of the pictures.
        accompany: adds to a frame what came with it on other topics.
        publish: called with each estimate and what it is the estimate of.
        restart: starts the odometry anew; called when time jumped back.
        ros_is_up: whether publishing still works.
        health: where everything is noted.
        log: for problems with pictures.
    """

    def __init__(
        self,
        odometry: Any,
        mailbox: Mailbox[Arrival],
        decoder: PictureDecoder,
        accompany: Callable[[Frame], Frame],
        publish: Callable[[Estimate, Tracked], None],
        restart: Callable[[], None],
        ros_is_up: Callable[[], bool],
        health: Health,
        log: LimitedLog,
    ) -> None:
        self._odometry = odometry
        self._mailbox = mailbox
        self._decoder = decoder
        self._accompany = accompany
        self._publish = publish
        self._restart = restart
        self._ros_is_up = ros_is_up
        self._health = health
        self._log = log
        self._in_work: dict[int, Tracked] = {}
        self._stamps = StampGate()
        self._told_of_shutter = False
        self._memory_returned = time.monotonic()
        # A daemon, because a frame in work cannot be interrupted and must not keep the process.
        self._thread = threading.Thread(target=self._run, name='odometry', daemon=True)

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def between_frames(self, work: Callable[[], None]) -> None:
        """Call ``work`` on the worker's thread before the next frame.

        It is called also if no frame comes, if the thread ends first, and if it has ended.
        """

        def safely() -> None:
            try:
                work()
            except Exception as error:
                self._log.error('between frames', f'between two pictures: {details(error)}')

        self._mailbox.do(safely)

    def expect_jump(self) -> None:
        """Treat the next stamp that goes back, by any amount, as a clock that was set back."""
        self._stamps.expect_jump()

    def stop(self, timeout: float | None = None) -> bool:
        """Close the mailbox and wait for the frame in work; return whether it is finished."""
        self._mailbox.close()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._mailbox.finish()

    def _work(self) -> None:
        while self._running():
            try:
                for estimate in self._odometry.stream(self._frames()):
                    self._hand_on(estimate)
            except Exception as error:
                self._in_work.clear()
                # After a shutdown signal ROS calls fail at once; the picture is not the cause.
                if not self._running():
                    return
                if is_device_fault(error):
                    self._give_up(error)
                else:
                    self._report(error)

    def _running(self) -> bool:
        return self._ros_is_up() and not self._mailbox.closed

    def _frames(self) -> Iterator[Frame]:
        for arrival in self._mailbox:
            start = time.monotonic()
            frame = self._decoder.take(arrival)
            if frame is not None and self._in_order(frame.stamp, arrival.time):
                frame = self._accompany(frame)
                camera_frame = arrival.message.header.frame_id
                self._in_work[frame.stamp] = Tracked(frame, camera_frame, arrival.time, start)
                yield frame
            self._return_memory()
            while not self._mailbox.waiting and self._odometry.refine():
                pass

    def _return_memory(self) -> None:
        now = time.monotonic()
        if now - self._memory_returned > _SECONDS_BETWEEN_RETURNS_OF_MEMORY:
            return_unused_memory()
            self._memory_returned = now

    def _in_order(self, stamp: int, arrival: float = 0.0) -> bool:
        """Return whether a picture is taken by its stamp; start anew if time jumped."""
        last = self._stamps.last or 0
        how = self._stamps.judge(stamp, arrival)
        ahead = (stamp - last) * 1e-9
        if how is Succession.REFUSED:
            self._health.refused += 1
            why = f'far from the one before ({last * 1e-9:.6f} s)'
            if stamp <= last:
                why = f'not after the one before ({last * 1e-9:.6f} s)'
            self._health.stamp_error = f'the stamp {stamp * 1e-9:.6f} s is {why}: picture refused'
            self._log.warning('stamp', self._health.stamp_error)
            return False
        if how is Succession.JUMP:
            where = 'back' if ahead < 0 else 'ahead'
            self._log.warning(
                'jump', f'time jumped {where} by {abs(ahead):.1f} s: the odometry starts anew'
            )
            self._restart()
        self._health.stamp_error = ''
        return True

    def _hand_on(self, estimate: Estimate) -> None:
        self._health.tracking_error = ''
        self._health.estimate = estimate
        self._publish(estimate, self._in_work.pop(estimate.stamp))
        if not self._told_of_shutter and abs(estimate.readout_time) > 0:  # False for NaN
            self._told_of_shutter = True
            self._log.info(
                'shutter',
                'the camera has a rolling shutter: its rows are read in about '
                f'{1e3 * estimate.readout_time:.0f} ms, which is corrected for',
            )

    def _give_up(self, error: Exception) -> None:
        self._mailbox.close()
        self._health.device_fault = str(error)
        self._log.error('device', f'no picture is worked on any more: {error}')

    def _report(self, error: Exception) -> None:
        self._health.tracking_error = f'{type(error).__name__}: {error}'
        self._log.error('tracking', f'picture left out: {details(error)}')
