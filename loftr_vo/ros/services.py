# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node's private services: ~/reset, ~/pause and ~/save_trajectory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from std_srvs.srv import SetBool, Trigger

from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.ros.managed_node import ManagedNode


class Services:
    """Offers the services while it lives.

    Args:
        node: to offer them with.
        reset: starts the odometry anew; returns what to answer, or raises ``RuntimeError``.
        pause: holds the odometry, or lets it go on.
        trajectory: what to save.
        trajectory_file: where.
    """

    def __init__(
        self,
        node: ManagedNode,
        reset: Callable[[], str],
        pause: Callable[[bool], None],
        trajectory: Callable[[], Trajectory],
        trajectory_file: Callable[[], str],
    ) -> None:
        self._node = node
        self._reset = reset
        self._pause = pause
        self._trajectory = trajectory
        self._trajectory_file = trajectory_file
        create = node.create_service
        self._services = [
            # A reset may load the network anew, which takes as long as a transition.
            create(Trigger, '~/reset', self._on_reset, callback_group=node.transitions),
            create(SetBool, '~/pause', self._on_pause),
            create(Trigger, '~/save_trajectory', self._on_save_trajectory),
        ]

    def close(self) -> None:
        """Take the services away."""
        for service in self._services:
            self._node.destroy_service(service)

    def _on_reset(self, _: Trigger.Request, reply: Any) -> Any:
        try:
            reply.message = self._reset()
            reply.success = True
        except RuntimeError as error:
            reply.message = str(error)
        return reply

    def _on_pause(self, request: SetBool.Request, reply: Any) -> Any:
        self._pause(request.data)
        reply.success = True
        reply.message = 'paused' if request.data else 'goes on'
        return reply

    def _on_save_trajectory(self, _: Trigger.Request, reply: Any) -> Any:
        trajectory = self._trajectory()
        if not len(trajectory):
            reply.message = 'nothing to save: no picture has been tracked since the last start'
            return reply
        try:
            path = Path(self._trajectory_file()).expanduser().absolute()
            trajectory.write_tum(path)
        # ValueError, RuntimeError: a name that no file can have, a user that is not there.
        except (OSError, ValueError, RuntimeError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or error
            reply.message = (
                f'cannot write {self._trajectory_file()!r}: {reason}; '
                'set the parameter trajectory_file'
            )
            return reply
        reply.success = True
        reply.message = f'{len(trajectory)} poses (TUM, camera optical axes) written to {path}'
        return reply
