# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process of its own, with a camera and a listener for it in this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loftr_vo.imaging.camera import Camera

if TYPE_CHECKING:
    from loftr_vo.ros.camera_simulator import CameraSimulator
    from loftr_vo.ros.odometry_listener import OdometryListener

_STOP_TIMEOUT = 15.0  # seconds
_START_TIMEOUT = 120.0
# Each side learns of the other's topics by itself, and neither when the other has.
_SETTLING = 1.0


class LiveNodeError(RuntimeError):
    """It could not go on; says why, and where to look."""


class NodeSilentError(LiveNodeError):
    """The node runs but does not answer."""


def keep_to_this_host() -> None:
    """Keep ROS on this machine, apart from robots on the network; call it before ROS starts."""
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    # Fast DDS derives its ports from the domain; up to 101 they stay below the ephemeral ones.
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))


@dataclass(frozen=True)
class NodeProcess:
    """The node's process; call it to make sure that it runs.

    Attributes:
        process: the process.
        log: what it says.
    """

    process: subprocess.Popen
    log: Path

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self.process.pid

    def __call__(self) -> None:
        """Make sure that the node runs.

        Raises:
            LiveNodeError: it has ended; says how.
        """
        if self.process.poll() is not None:
            tail = '\n'.join(self.log.read_text(errors='replace').splitlines()[-15:])
            raise LiveNodeError(f'the node ended with code {self.process.returncode}:\n{tail}')


@contextmanager
def node_process(
    log: Path, parameters: Mapping[str, str], threads: int | None = None
) -> Iterator[NodeProcess]:
    """Run ``vo_node``; the value raises ``LiveNodeError`` when called after the node ended.

    Args:
        log: file for what the node says.
        parameters: of the node.
        threads: of the network; as by default where not given.

    Raises:
        LiveNodeError: the node ended by itself, or not when it was told to.
    """
    words = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
    command = [sys.executable, '-m', 'loftr_vo.ros.executables', 'vo_node']
    command += ['--ros-args', *words]
    environment = dict(os.environ)
    if threads is not None:
        environment['OMP_NUM_THREADS'] = str(threads)
    with log.open('w') as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    check = NodeProcess(process, log)
    try:
        yield check
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_TIMEOUT)
        if process.returncode != 0:
            check()
    except subprocess.TimeoutExpired as error:
        raise LiveNodeError(
            f'the node did not end within {_STOP_TIMEOUT:.0f} s of SIGINT'
        ) from error
    finally:
        process.kill()
        process.wait()


@contextmanager
def camera_and_listener(
    camera: Camera, name: str, pictures: bool = True
) -> Iterator[tuple[CameraSimulator, OdometryListener]]:
    """Take part in ROS as a camera and as one who uses the odometry.

    Args:
        camera: of the pictures.
        name: of the ROS node in this process.
        pictures: whether to listen to the pictures of the matches, too.

    Raises:
        LiveNodeError: ROS is not installed.
    """
    try:
        import rclpy
    except ImportError as error:
        raise LiveNodeError(
            f'ROS 2 is not installed ({error}); use "make demo", or source a ROS distribution'
        ) from error
    from loftr_vo.ros.camera_simulator import CameraSimulator
    from loftr_vo.ros.odometry_listener import OdometryListener

    rclpy.init()
    node = rclpy.create_node(name)
    simulator, listener = CameraSimulator(node, camera), OdometryListener(node, pictures=pictures)
    spinning = threading.Thread(target=_spin, args=(node,), daemon=True)
    spinning.start()
    try:
        yield simulator, listener
    finally:
        rclpy.shutdown()
        spinning.join()


def await_ready(
    camera: CameraSimulator, listener: OdometryListener, check_node: Callable[[], None]
) -> None:
    """Wait until the node receives pictures and its odometry arrives here.

    Raises:
        LiveNodeError: it says that it cannot start, or says nothing.
    """

    def ready() -> bool:
        if listener.fault:
            raise LiveNodeError(f'the node says: {listener.fault}')
        return camera.has_subscribers and bool(listener.last_message)

    await_condition(ready, _START_TIMEOUT, listener, check_node)
    time.sleep(_SETTLING)


def await_condition(
    condition: Callable[[], bool],
    timeout: float,
    listener: OdometryListener,
    check_node: Callable[[], None],
) -> None:
    """Wait until a condition holds.

    Raises:
        NodeSilentError: it did not within ``timeout`` seconds.
        LiveNodeError: the node ended.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        check_node()
        if time.monotonic() > deadline:
            said = listener.last_message or 'it has said nothing'
            raise NodeSilentError(f'waited {timeout:.0f} s for the node; its status: {said}')
        time.sleep(0.05)


def _spin(node: Any) -> None:
    import rclpy
    from rclpy.executors import ExternalShutdownException

    with suppress(ExternalShutdownException):
        rclpy.spin(node)
