# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Commands to a running odometry, from services and topics: reset, pause, start at a pose."""

from __future__ import annotations

import threading

from loftr_vo.ros.body import StartPose
from loftr_vo.ros.health import Health
from loftr_vo.ros.pipeline import Pipeline
from loftr_vo.ros.rate import Rate

# Seconds to wait for a transition: one that loads the network need not be finished.
PATIENCE_WITH_TRANSITIONS = 0.5


class Commands:
    """Carries out commands; each may come on a thread of its own.

    Args:
        pipeline: of the node.
        health: of the node.
        changing: held while the network, the stream or the outputs are made or taken away.
    """

    def __init__(self, pipeline: Pipeline, health: Health, changing: threading.Lock) -> None:
        self._pipeline = pipeline
        self._health = health
        self._changing = changing

    def reset(self) -> str:
        """Start anew, with a new network where the device failed; return what was done.

        Raises:
            RuntimeError: the node is not active or in a transition, or the device still fails.
        """
        # Each call has a thread of its own; they must not pile up while a network is loaded.
        if not self._changing.acquire(timeout=PATIENCE_WITH_TRANSITIONS):
            doing = self._health.progress or self._health.lifecycle
            raise RuntimeError(f'cannot reset now: the node is busy ({doing})')
        try:
            if self._health.lifecycle != 'active':
                raise RuntimeError('nothing to reset: the node is not active')
            if not self._health.device_fault:
                assert self._pipeline.stream is not None
                self._pipeline.stream.restart()
                return 'the odometry starts anew with the next picture'
            fault = self._health.device_fault
            self._pipeline.reload_network()
            return f'the network was loaded anew, and the odometry starts anew, after: {fault}'
        finally:
            self._changing.release()

    def start_at(self, start: StartPose) -> None:
        """Start anew at a pose.

        Raises:
            RuntimeError: the node is not active, or its device has failed.
        """
        stream = self._pipeline.stream
        if stream is None or self._health.lifecycle != 'active' or self._health.device_fault:
            raise RuntimeError('the node is not active')
        stream.restart(start)

    def pause(self, paused: bool) -> None:
        """Hold the odometry, or continue with the next picture."""
        self._health.paused = paused
        if not paused:
            # Pictures that came meanwhile were not to be worked on.
            self._health.image.rate.forget()
            self._health.output = Rate()
        stream = self._pipeline.stream
        if paused and stream is not None:
            stream.forget_waiting()
