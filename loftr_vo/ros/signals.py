# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM in an executable of ROS: the end, clean, whenever they come.

rclpy shuts ROS down when one comes, and what spins ends with ``ExternalShutdownException``. That
leaves the time before ROS is up, and Python's own way with SIGINT: ``KeyboardInterrupt`` wherever
the main thread happens to be.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# While starting there is nothing yet to be put in order; set once there is.
_started = False


def end_while_starting() -> None:
    """End the process with 0 when a signal comes, until ``until_a_signal`` is entered.

    To be called before rclpy takes the signals: it hands them on to what was there before. Does
    nothing in another thread than the main one, where Python lets no one take signals.
    """
    global _started
    _started = False
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, _on_signal)


def ignore_signals() -> None:
    """Let nothing disturb the end of the process; to be called when ROS is shut down.

    Ctrl-C under ros2 launch comes twice, from the terminal and from launch, and Python gives
    handlers of its own up before it is gone.
    """
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def until_a_signal() -> Iterator[None]:
    """Leave the block, without an error, when a signal has shut ROS down.

    Whatever the block was doing with ROS then fails, each call in its own way.
    """
    global _started
    import rclpy
    from rclpy.executors import ExternalShutdownException

    _started = True
    try:
        yield
    except ExternalShutdownException:
        return
    except Exception:
        if rclpy.ok():
            raise


def _on_signal(_: int, __: FrameType | None) -> None:
    if not _started:
        os._exit(0)
