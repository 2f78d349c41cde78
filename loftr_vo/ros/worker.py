# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that the odometry runs on."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from loftr_vo.imaging.camera import CalibrationError, Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.image_messages import ImageError, PictureReader
from loftr_vo.imaging.stamp_gate import StampGate, Succession
from loftr_vo.odometry.estimate import Estimate
from loftr_vo.ros.device import is_device_fault
from loftr_vo.ros.health import Health
from loftr_vo.ros.inputs import Arrival
from loftr_vo.ros.mailbox import Mailbox
from loftr_vo.ros.messages import nanoseconds


@dataclass(frozen=True)
class Tracked:
    """A frame on its way through the odometry.

    Attributes:
        frame: the frame.
        arrival: when its picture arrived, in seconds of the monotonic clock.
        start: when work on it began.
    """

    frame: Frame
    arrival: float
    start: float


class Worker:
    """Takes pictures out of the mailbox, tracks them, hands the estimates on.

    A picture that cannot be used, or that the odometry fails on, is reported and left out; the
    next one is tried again. When the device fails, every picture would: the work ends.

    Args:
        odometry: a ``VisualOdometry``.
        mailbox: of the pictures; when it is closed the thread ends after the frame in work.
        camera: the calibration now, for pictures that came before one was known.
        accompany: adds to a frame what came with it on other topics.
        publish: called with each estimate and what it is the estimate of.
        restart: starts the odometry anew; called when time jumped back.
        ros_is_up: whether publishing still works.
        health: where everything is noted.
        logger: the node's.
    """

    def __init__(
        self,
        odometry: Any,
        mailbox: Mailbox[Arrival],
        camera: Callable[[], Camera | None],
        accompany: Callable[[Frame], Frame],
        publish: Callable[[Estimate, Tracked], None],
        restart: Callable[[], None],
        ros_is_up: Callable[[], bool],
        health: Health,
        logger: Any,
    ) -> None:
        self._odometry = odometry
        self._mailbox = mailbox
        self._camera = camera
        self._accompany = accompany
        self._publish = publish
        self._restart = restart
        self._ros_is_up = ros_is_up
        self._health = health
        self._logger = logger
        self._errands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._in_work: dict[int, Tracked] = {}
        self._reader = PictureReader()
        self._stamps = StampGate()
        self._told_of_shutter = False
        # A daemon, because a frame in work cannot be interrupted and must not keep the process.
        self._thread = threading.Thread(target=self._run, name='odometry', daemon=True)

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def between_frames(self, errand: Callable[[], None]) -> None:
        """Have something done on the worker's thread before the next frame."""
        self._errands.put(errand)

    def expect_jump(self) -> None:
        """Take the next stamp that goes back, by however little, for a clock that was set back."""
        self._stamps.expect_jump()

    def stop(self, timeout: float | None = None) -> bool:
        """Close the mailbox and wait for the frame in work; return whether it is finished."""
        self._mailbox.close()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._running():
            try:
                for estimate in self._odometry.stream(self._frames()):
                    self._hand_on(estimate)
            except Exception as error:
                self._in_work.clear()
                # A signal takes ROS away at once; what fails then is no fault of the picture.
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
            self._run_errands()
            frame = self._decoded(arrival)
            if frame is not None and self._in_order(frame.stamp, arrival.time):
                frame = self._accompany(frame)
                self._in_work[frame.stamp] = Tracked(frame, arrival.time, start)
                yield frame

    def _run_errands(self) -> None:
        while not self._errands.empty():
            self._errands.get()()

    def _decoded(self, arrival: Arrival) -> Frame | None:
        message, camera = arrival.message, arrival.camera or self._camera()
        if camera is None:
            return None
        self._health.encoding = getattr(message, 'encoding', '') or message.format
        try:
            frame = Frame(
                self._reader.read(message, camera), nanoseconds(message.header.stamp), camera
            )
        except (ImageError, CalibrationError) as error:
            if str(error) != self._health.picture_error:
                self._logger.error(f'picture left out: {error}')
            self._health.picture_error = str(error)
            return None
        self._health.picture_error = ''
        return frame

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
            self._logger.warning(self._health.stamp_error, throttle_duration_sec=5.0)
            return False
        if how is Succession.JUMP:
            where = 'back' if ahead < 0 else 'ahead'
            self._logger.warning(
                f'time jumped {where} by {abs(ahead):.1f} s: the odometry starts anew'
            )
            self._restart()
        self._health.stamp_error = ''
        return True

    def _hand_on(self, estimate: Estimate) -> None:
        self._health.tracking_error = ''
        self._health.estimate = estimate
        self._publish(estimate, self._in_work.pop(estimate.stamp))
        if not self._told_of_shutter and abs(estimate.readout_time) > 0:  # nor not a number
            self._told_of_shutter = True
            self._logger.info(
                'the camera has a rolling shutter: its rows are read in about '
                f'{1e3 * estimate.readout_time:.0f} ms, which is corrected for'
            )

    def _give_up(self, error: Exception) -> None:
        self._mailbox.close()
        self._health.device_fault = str(error)
        self._logger.error(f'no picture is worked on any more: {error}')

    def _report(self, error: Exception) -> None:
        self._health.tracking_error = f'{type(error).__name__}: {error}'
        # A ValueError is about the picture and says what is wrong; others are about the code.
        details = str(error) if isinstance(error, ValueError) else traceback.format_exc()
        self._logger.error(f'picture left out: {details}', throttle_duration_sec=5.0)
