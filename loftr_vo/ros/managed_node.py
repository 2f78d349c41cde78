# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node that others may ask anything at any time without harm."""

from __future__ import annotations

from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleNodeMixin
from rclpy.node import Node


class ManagedNode(LifecycleNode):
    """rclpy's lifecycle node, with what that leaves open.

    - A transition that is impossible in the present state is refused. In rclpy it raises, which
      ends the process.
    - The lifecycle's services have a callback group of their own, ``transitions``. With an
      executor of several threads, or ``AsideExecutor``, all else answers while a transition
      takes its time.

    Args:
        name: of the node.
        **options: of ``rclpy.node.Node``.
    """

    def __init__(self, name: str, **options: Any) -> None:
        # LifecycleNode's own __init__ does not pass a callback group on.
        Node.__init__(self, name, **options)
        # Reentrant, so that the state is told while a transition is under way.
        self.transitions = ReentrantCallbackGroup()
        LifecycleNodeMixin.__init__(self, callback_group=self.transitions)
        self._change_state = self._service_change_state.callback
        self._service_change_state.callback = self._on_change_state

    def _on_change_state(self, request: Any, reply: Any) -> Any:
        state = self._state_machine.current_state[1]
        try:
            return self._change_state(request, reply)
        except RuntimeError:  # rclpy's RCLError: there is no such transition from here
            wanted = request.transition.label or f'number {request.transition.id}'
            self.get_logger().error(f'transition {wanted} refused: the node is {state}')
            reply.success = False
            return reply
