# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The executable ``vo_when_active``: waits until the node is active, then becomes a command.

``vo_when_active NODE TIMEOUT COMMAND ...`` is for launch files: what plays a recording must not
begin before the node listens.
"""

from __future__ import annotations

import os
import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from loftr_vo.ros.signals import end_while_starting

_PATIENCE = 2.0  # seconds for one answer
# Each side learns of the other's topics by itself, and neither knows when the other has.
_SETTLING = 1.0


class NotActiveError(RuntimeError):
    """The node did not become active; says why."""


def wait_until_active(node: Node, name: str, timeout: float) -> None:
    """Return when a lifecycle node is active.

    Args:
        node: to ask with; it must not be spun by anybody else meanwhile.
        name: of the lifecycle node, with its namespace.
        timeout: seconds.

    Raises:
        NotActiveError: it says that it cannot become active, or the time is over.
    """
    said: list[DiagnosticStatus] = []
    node.create_subscription(DiagnosticStatus, f'{name}/status', said.append, 10)
    client = node.create_client(GetState, f'{name}/get_state')
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if said and said[-1].level == DiagnosticStatus.ERROR:
            raise NotActiveError(f'{name} says: {said[-1].message}')
        if _is_active(node, client):
            return
        rclpy.spin_once(node, timeout_sec=0.1)
    last = said[-1].message if said else 'it has said nothing'
    raise NotActiveError(f'{name} is not active after {timeout:g} s: {last}')


def _is_active(node: Node, client: object) -> bool:
    if not client.service_is_ready():  # type: ignore[attr-defined]
        return False
    future = client.call_async(GetState.Request())  # type: ignore[attr-defined]
    rclpy.spin_until_future_complete(node, future, timeout_sec=_PATIENCE)
    if not future.done():
        return False
    return bool(future.result().current_state.id == State.PRIMARY_STATE_ACTIVE)


def main(args: list[str] | None = None) -> int:
    """Wait, and become the command; return the exit code if it does not come to that."""
    words = sys.argv[1:] if args is None else args
    if len(words) < 3:
        print('usage: vo_when_active NODE TIMEOUT COMMAND ...', file=sys.stderr)
        return 2
    name, timeout, *command = words
    # To the end: there is nothing to be put in order.
    end_while_starting()
    # None of the words are for ROS: those that look so belong to the command.
    rclpy.init(args=[])
    try:
        wait_until_active(rclpy.create_node('when_active'), name, float(timeout))
    except NotActiveError as error:
        print(f'loftr_vo: error: {error}', file=sys.stderr)
        return 1
    except ExternalShutdownException:
        return 0
    finally:
        rclpy.try_shutdown()
    time.sleep(_SETTLING)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(command[0], command)


if __name__ == '__main__':
    sys.exit(main())
