# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Streams rendered frames to the node at a rate that this machine sustains."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry import VisualOdometry
from loftr_vo.ros.node_process import NodeSilentError, await_condition

if TYPE_CHECKING:
    from loftr_vo.ros.camera_simulator import CameraSimulator
    from loftr_vo.ros.odometry_listener import OdometryListener

_FASTEST, _SLOWEST = 10.0, 2.0  # Hz
_LOAD = 0.5  # share of a frame's time that the network may take
# A core is left for the camera: more threads than cores are slower than fewer.
THREADS = max(1, (os.cpu_count() or 1) - 1)
_SILENCE_TIMEOUT = 30.0  # seconds


def sustainable_rate(frames: list[Frame]) -> float:
    """Return the camera's rate in Hz at which this machine keeps up."""
    torch.set_num_threads(THREADS)
    odometry = VisualOdometry()
    seconds = []
    for frame in frames:
        start = time.perf_counter()
        odometry.track(frame)
        seconds.append(time.perf_counter() - start)
    typical = float(np.median(seconds[2:]))
    return float(np.clip(np.floor(2 * _LOAD / typical) / 2, _SLOWEST, _FASTEST))


def send(
    frames: list[Frame],
    rate: float,
    camera: CameraSimulator,
    listener: OdometryListener,
    check_node: Callable[[], None],
) -> list[int]:
    """Publish each frame when it is due; return the stamps, nanoseconds of the system clock."""
    stamps: list[int] = []
    start = time.monotonic()
    progress = progress_bar(frames, f'streaming at {rate:g} Hz', len(frames))
    for index, frame in enumerate(progress):
        check_node()
        time.sleep(max(0.0, start + index / rate - time.monotonic()))
        stamps.append(time.time_ns())
        camera.publish(frame.image, stamps[-1])
        progress.set_postfix_str(f'{len(listener.odometry)} odometries', refresh=False)
    return stamps


def await_replies(
    stamps: list[int], check_node: Callable[[], None], listener: OdometryListener
) -> None:
    """Wait for the last frame as long as others come in; what is missing then was dropped."""

    def complete() -> bool:
        received, last = listener.odometry, stamps[-1]
        # The picture is drawn after the odometry is out.
        described = last in listener.statuses and last in listener.pictures
        return described and bool(received) and received[-1].stamp == last

    def going_on(known: int) -> bool:
        return len(listener.odometry) > known or complete()

    while not complete():
        try:
            known = len(listener.odometry)
            await_condition(partial(going_on, known), _SILENCE_TIMEOUT, listener, check_node)
        except NodeSilentError:
            if not listener.odometry:
                raise
            return


def progress_bar(frames: Any, what: str, count: int) -> tqdm[Frame]:
    """Return frames behind a progress bar on stderr; ``what`` is its label."""
    # Seldom in a log file, often in a terminal.
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(frames, what, count, unit='frame', mininterval=interval)
