# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The executor of the node: short callbacks in sequence, long ones on their own threads."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)
from rclpy.task import Future

Result = TypeVar('Result')

# Seconds between checks, while waiting for the executor's thread, that it still runs.
_CHECK_INTERVAL = 0.1


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
        self._spinning_thread: int | None = None

    def spin_once(self, timeout_sec: Any = None) -> None:
        """Wait for one callback, and run it or have it run.

        Raises:
            ExternalShutdownException: a signal has ended ROS.
        """
        if self._failure is not None:
            raise self._failure
        self._spinning_thread = threading.get_ident()
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
            arguments = handler, entity
            threading.Thread(target=self._run_aside, args=arguments, daemon=True).start()
        else:
            _run(handler)

    def spin_once_until_future_complete(self, future: Future, timeout_sec: Any = None) -> None:
        """Wait for one callback or the future."""
        future.add_done_callback(lambda _: self.wake())
        self.spin_once(timeout_sec)

    def between_waits(self, work: Callable[[], Result]) -> Result:
        """Return what ``work`` returns, run while the executor neither waits nor runs a callback.

        rclpy keeps no lock on what it waits for: what another thread destroys while the wait set
        is made or read raises ``InvalidHandle`` there, and a callback may still be under way.
        Tasks run before the wait set is made. On the executor's own thread, or if it never ran,
        ``work`` is run at once.
        """
        if self._spinning_thread in (None, threading.get_ident()):
            return work()
        outcome: concurrent.futures.Future[Result] = concurrent.futures.Future()
        self.create_task(_fulfil, outcome, work)
        while not outcome.done():
            concurrent.futures.wait([outcome], _CHECK_INTERVAL)
            # After a shutdown of ROS no task is started any more.
            if (self._is_shutdown or not self.context.ok()) and outcome.cancel():
                return work()
        return outcome.result()

    def _run_aside(self, handler: Any, entity: Any) -> None:
        try:
            _run(handler)
        except Exception as error:
            if _is_destroyed(entity):
                # The service was taken away while it answered: nobody waits for the answer.
                return
            self._failure = error
            self.wake()


def _is_destroyed(entity: Any) -> bool:
    try:
        with entity.handle:
            return False
    except InvalidHandle:
        return True


def _run(handler: Any) -> None:
    handler()
    if handler.done():
        handler.result()  # raises what the callback has raised


def _fulfil(outcome: concurrent.futures.Future[Result], work: Callable[[], Result]) -> None:
    if not outcome.set_running_or_notify_cancel():
        return
    try:
        outcome.set_result(work())
    except Exception as error:
        outcome.set_exception(error)
