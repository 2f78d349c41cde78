# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The diagnosis, published on ``~/status`` and ``/diagnostics`` and written to the log."""

from __future__ import annotations

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock
from rclpy.node import Node

from loftr_vo.ros.diagnosis import diagnose
from loftr_vo.ros.diagnosis_log import DiagnosisLog
from loftr_vo.ros.health import Health
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.status_message import status_message

_STATUS_PERIOD = 0.5  # seconds
_DIAGNOSTICS_PERIOD = 1.0


class StatusPublisher:
    """Publishes the diagnosis after every estimate, and at a fixed rate while there is none.

    Args:
        node: to publish with.
        health: the facts; ``input_timeout`` is read from the node's settings.
        input_timeout: returns the seconds of silence after which an input counts as stopped.
        refresh: called before each diagnosis at the fixed rate, to look at the ROS graph.
        clock: of the timers.
        log: where the diagnosis is written.
    """

    def __init__(
        self,
        node: Node,
        health: Health,
        input_timeout: Callable[[], float],
        refresh: Callable[[], None],
        clock: Clock,
        log: LimitedLog,
    ) -> None:
        self._node = node
        self._health = health
        self._input_timeout = input_timeout
        self._refresh = refresh
        self._log = DiagnosisLog(log)
        self._status = node.create_publisher(DiagnosticStatus, '~/status', 10)
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        node.create_timer(_STATUS_PERIOD, self._on_status_timer, clock=clock)
        node.create_timer(_DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=clock)

    def publish(self) -> None:
        """Publish ``~/status`` now."""
        self._status.publish(self._message())

    def _message(self) -> DiagnosticStatus:
        # One snapshot for both: the reason and the values are of the same moment.
        health, now = self._health.snapshot(), time.monotonic()
        diagnosis = diagnose(health, now, self._input_timeout())
        return status_message(self._node.get_fully_qualified_name(), health, diagnosis, now)

    def _on_status_timer(self) -> None:
        self._refresh()
        self._write_log()
        # Half the period: whoever plots status and odometry together waits a second at most.
        if self._health.output.silence(time.monotonic()) > _STATUS_PERIOD / 2:
            self.publish()

    def _write_log(self) -> None:
        health, now = self._health.snapshot(), time.monotonic()
        diagnosis = diagnose(health, now, self._input_timeout())
        if health.was_logged(diagnosis[1]):
            return
        # Nothing has come yet at any start, and each step of a transition is logged by itself.
        if health.is_starting(now, self._input_timeout()) or health.in_transition:
            return
        self._log.note(diagnosis)

    def _publish_diagnostics(self) -> None:
        array = DiagnosticArray(status=[self._message()])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(array)
