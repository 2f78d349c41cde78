# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Watches /tf for another node that broadcasts the transform which this node broadcasts."""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from loftr_vo.files.text import quoted
from loftr_vo.ros.messages import nanoseconds

# Seconds from the first own transform: /tf has hundreds of messages a second on some robots.
_DURATION = 20.0
# Own stamps that are remembered; those of some seconds.
_KEPT = 300


class OwnTransforms:
    """The transforms that this node has broadcast, to tell others' from them.

    Args:
        parent, child: frames of the transform.
    """

    def __init__(self, parent: str, child: str) -> None:
        self._parent = parent
        self._child = child
        # How often each was received, by its stamp; written by the worker and read by another.
        self._received: dict[int, int] = {}

    def add(self, stamp: int) -> None:
        """Remember the stamp of a transform that is about to be broadcast, in nanoseconds."""
        self._received[stamp] = 0
        if len(self._received) > _KEPT:
            self._received.pop(next(iter(self._received)))

    def is_foreign(self, transform: Any) -> bool:
        """Whether another node has sent a ``TransformStamped`` of the same child.

        A frame has one parent in TF, so one of another parent is in conflict too.
        """
        if transform.child_frame_id != self._child:
            return False
        stamp = nanoseconds(transform.header.stamp)
        if transform.header.frame_id != self._parent or stamp not in self._received:
            return True
        self._received[stamp] += 1
        return self._received[stamp] > 1


class TransformWatch:
    """Subscribes to /tf for a while and warns of another broadcaster.

    Args:
        node: to subscribe with.
        parent, child: frames of the own transform.
    """

    def __init__(self, node: Node, parent: str, child: str) -> None:
        from tf2_msgs.msg import TFMessage

        self._node = node
        self._names = f'{parent} to {child}'
        self._own = OwnTransforms(parent, child)
        self._began: float | None = None
        self._is_over = False
        self._subscription: Any = node.create_subscription(
            TFMessage, '/tf', self._on_transforms, QoSProfile(depth=100)
        )

    def broadcast(self, stamp: int) -> None:
        """Note a transform before it is broadcast."""
        self._began = self._began or time.monotonic()
        self._own.add(stamp)

    def end_in_time(self) -> None:
        """End when it has lasted long enough; not to be called by a callback of ``/tf``."""
        late = self._began is not None and time.monotonic() - self._began > _DURATION
        if late or self._is_over:
            self.close()

    def close(self) -> None:
        """Unsubscribe."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self._node.destroy_subscription(subscription)

    def _on_transforms(self, message: Any) -> None:
        if self._is_over or self._began is None:
            return
        for transform in message.transforms:
            if self._own.is_foreign(transform):
                self._is_over = True
                self._node.get_logger().warning(
                    f'another node broadcasts {quoted(transform.header.frame_id)} to '
                    f'{quoted(transform.child_frame_id)}, while this one broadcasts '
                    f'{self._names}: the pose jumps between the two; set publish_tf to false in '
                    'one of them'
                )
                return


def make_watch(node: Node, parent: str, child: str) -> TransformWatch | None:
    """Return a watch; None where tf2_msgs is not installed."""
    try:
        return TransformWatch(node, parent, child)
    except ImportError:
        return None
