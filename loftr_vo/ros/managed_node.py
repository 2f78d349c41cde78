# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node that others may ask anything at any time without harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import (
    LifecycleNode,
    LifecycleNodeMixin,
    LifecycleState,
    TransitionCallbackReturn,
)
from rclpy.node import Node

from loftr_vo.ros.manager_bond import form_bond


class ManagedNode(LifecycleNode):
    """rclpy's lifecycle node, with what that leaves open.

    - A transition that is impossible in the present state is refused. In rclpy it raises, which
      ends the process.
    - The lifecycle's services have a callback group of their own, ``transitions``. With an
      executor of several threads, or ``AsideExecutor``, all else answers while a transition
      takes its time.
    - Whatever the executor waits for is destroyed on the executor's thread, where that is an
      ``AsideExecutor``. In rclpy a transition aside destroys what the executor is about to use.
    - What is destroyed is forgotten by its callback group, where rclpy keeps a reference.
    - While active it has a bond with its lifecycle manager, if one manages it.

    Attributes:
        managed: whether a lifecycle manager changes the states.

    Args:
        name: of the node.
        **options: of ``rclpy.node.Node``.
    """

    def __init__(self, name: str, **options: Any) -> None:
        self.managed = False
        self._bond: Any = None
        # LifecycleNode's own __init__ does not pass a callback group on.
        Node.__init__(self, name, **options)
        # Reentrant, so that the state can be requested during a transition.
        self.transitions = ReentrantCallbackGroup()
        LifecycleNodeMixin.__init__(self, callback_group=self.transitions)
        self._change_state = self._service_change_state.callback
        self._service_change_state.callback = self._on_change_state

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate the publishers, and form a bond with the manager."""
        result = super().on_activate(state)
        if self.managed:
            self._bond = form_bond(self)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Break the bond, and deactivate the publishers."""
        self._break_bond()
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Break the bond."""
        self._break_bond()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Break the bond."""
        self._break_bond()
        return super().on_error(state)

    def _break_bond(self) -> None:
        bond, self._bond = self._bond, None
        if bond is not None:
            # It destroys its subscription by itself, past ``destroy_subscription``.
            self._in_turn(lambda each: bool(each.shutdown()), bond)

    def destroy_subscription(self, subscription: Any) -> bool:
        """Destroy a subscription; no callback of it runs any more when this returns."""
        return self._in_turn(super().destroy_subscription, subscription)

    def destroy_publisher(self, publisher: Any) -> bool:
        """Destroy a publisher, whose events the executor waits for."""
        return self._in_turn(super().destroy_publisher, publisher)

    def destroy_lifecycle_publisher(self, publisher: Any) -> bool:
        """Destroy a publisher that is silent while the node is not active."""
        return self._in_turn(super().destroy_lifecycle_publisher, publisher)

    def destroy_service(self, service: Any) -> bool:
        """Destroy a service; no callback of it is begun any more when this returns."""
        return self._in_turn(super().destroy_service, service)

    def destroy_client(self, client: Any) -> bool:
        """Destroy a client of a service."""
        return self._in_turn(super().destroy_client, client)

    def destroy_timer(self, timer: Any) -> bool:
        """Destroy a timer."""
        return self._in_turn(super().destroy_timer, timer)

    def _in_turn(self, destroy: Callable[[Any], bool], entity: Any) -> bool:
        in_turn = getattr(self.executor, 'between_waits', None)
        done = destroy(entity) if in_turn is None else in_turn(lambda: destroy(entity))
        for group in (self.default_callback_group, self.transitions):
            _forget_dead(group.entities)
        return bool(done)

    def _on_change_state(self, request: Any, reply: Any) -> Any:
        state = self._state_machine.current_state[1]
        try:
            return self._change_state(request, reply)
        except RuntimeError:  # rclpy's RCLError: there is no such transition from here
            wanted = request.transition.label or f'number {request.transition.id}'
            self.get_logger().error(f'transition {wanted} refused: the node is {state}')
            reply.success = False
            return reply


def _forget_dead(references: set[Any]) -> None:
    """Take those weak references out that lead nowhere; others may add some meanwhile."""
    references.difference_update([each for each in tuple(references) if each() is None])
