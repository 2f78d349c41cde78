# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The executor of the node: short work in turn, long work aside."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)
from rclpy.task import Future


class AsideExecutor(Executor):
    """Runs callbacks one after the other, and those of one group on threads of their own.

    rclpy's ``MultiThreadedExecutor`` would do as well, but hands every message to another thread
    and wakes up three times for it, which took a third more of the processor in all.

    Args:
        group: the callbacks that may take long; called seldom.
        **options: of ``rclpy.executors.Executor``.
    """

    def __init__(self, group: CallbackGroup, **options: Any) -> None:
        super().__init__(**options)
        self._group = group
        self._failure: Exception | None = None

    def spin_once(self, timeout_sec: Any = None) -> None:
        """Wait for one callback, and run it or have it run.

        Raises:
            ExternalShutdownException: a signal has ended ROS.
        """
        if self._failure is not None:
            raise self._failure
        entity: Any
        try:
            handler, entity, _ = self.wait_for_ready_callbacks(timeout_sec)
        except (ShutdownException, TimeoutException):
            return
        except RuntimeError as error:  # rclpy's RCLError
            if self.context.ok():
                raise
            # The signal came after rclpy had looked whether one did.
            raise ExternalShutdownException from error
        # A task that is resumed has no entity.
        if getattr(entity, 'callback_group', None) is self._group:
            # A daemon, because loading a network cannot be interrupted.
            threading.Thread(target=self._run_aside, args=(handler,), daemon=True).start()
        else:
            _run(handler)

    def spin_once_until_future_complete(self, future: Future, timeout_sec: Any = None) -> None:
        """Wait for one callback or the future."""
        future.add_done_callback(lambda _: self.wake())
        self.spin_once(timeout_sec)

    def _run_aside(self, handler: Any) -> None:
        try:
            _run(handler)
        except Exception as error:
            self._failure = error
            self.wake()


def _run(handler: Any) -> None:
    handler()
    if handler.done():
        handler.result()  # raises what the callback has raised
