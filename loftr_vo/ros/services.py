# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node's private services: ~/reset, ~/pause and ~/save_trajectory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from std_srvs.srv import SetBool, Trigger

from loftr_vo.files.output_files import OutputError
from loftr_vo.files.text import printable
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.managed_node import ManagedNode
from loftr_vo.ros.saving import save_trajectory


class Services:
    """Offers the services while it lives.

    Args:
        node: to offer them with.
        reset: starts the odometry anew; returns what to answer, or raises ``RuntimeError``.
        pause: holds the odometry, or lets it go on.
        trajectory: what to save.
        trajectory_file: where: a folder, and the name of a file in it.
        log: where it is noted that somebody called.
    """

    def __init__(
        self,
        node: ManagedNode,
        reset: Callable[[], str],
        pause: Callable[[bool], None],
        trajectory: Callable[[], Trajectory],
        trajectory_file: Callable[[], tuple[str, str]],
        log: LimitedLog,
    ) -> None:
        self._node = node
        self._log = log
        self._reset = reset
        self._pause = pause
        self._trajectory = trajectory
        self._trajectory_file = trajectory_file
        self._saving = threading.Lock()
        create = node.create_service
        self._services = [
            # A reset may load the network anew, which takes as long as a transition; and a disk
            # may take as long as it likes.
            create(Trigger, '~/reset', self._on_reset, callback_group=node.transitions),
            create(SetBool, '~/pause', self._on_pause),
            create(
                Trigger,
                '~/save_trajectory',
                self._on_save_trajectory,
                callback_group=node.transitions,
            ),
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
        self._log.info('reset', f'~/reset: {reply.message}')
        return reply

    def _on_pause(self, request: SetBool.Request, reply: Any) -> Any:
        self._pause(request.data)
        reply.success = True
        reply.message = 'paused' if request.data else 'goes on'
        self._log.info(f'pause {request.data}', f'~/pause: {reply.message}')
        return reply

    def _on_save_trajectory(self, _: Trigger.Request, reply: Any) -> Any:
        # Each call has a thread of its own; no more of them are to wait for a disk that hangs.
        if not self._saving.acquire(blocking=False):
            reply.message = 'the trajectory is being saved already'
            return reply
        try:
            reply.message = self._saved()
            reply.success = True
        except OutputError as error:
            reply.message = str(error)
        finally:
            self._saving.release()
        self._log.info('save', f'~/save_trajectory: {reply.message}')
        return reply

    def _saved(self) -> str:
        """Save the trajectory; return what was done.

        Raises:
            OutputError: it cannot be, or there is none.
        """
        trajectory = self._trajectory()
        if not len(trajectory):
            raise OutputError('nothing to save: no picture has been tracked since the last start')
        folder, name = self._trajectory_file()
        try:
            path = save_trajectory(trajectory, folder, name)
        except OSError as error:
            raise OutputError(f'{printable(str(error))}; see trajectory_file') from error
        return f'{len(trajectory)} poses (TUM, camera optical axes) written to {path}'
