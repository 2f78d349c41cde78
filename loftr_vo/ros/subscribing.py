# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of the node that begin and end together, all with one quality of service."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from loftr_vo.config import NodeSettings
from loftr_vo.ros.health import Feed
from loftr_vo.ros.reliability import offered_reliability, overridden_reliability

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble has it under its name before
    from rclpy.qos_event import SubscriptionEventCallbacks


# What a driver that sends its calibration once and for all is asked for. A best-effort reader is
# not sent what was published before it came.
_LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


# Types of messages that are large enough for one of them to be lost in part.
_PICTURES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')


@dataclass
class _Subscribed:
    """A subscription, and how to make it again.

    Attributes:
        kind, feed, callback, depth: as of ``Subscriptions.add``.
        follows: whether its reliability is that of the publishers.
        subscription: rclpy's.
    """

    kind: type
    feed: Feed
    callback: Callable[[Any], None]
    depth: int
    follows: bool
    subscription: Any = None


class Subscriptions:
    """Subscriptions of a node.

    Args:
        node: to subscribe with.
        settings: the node's, for the quality of service.
    """

    def __init__(self, node: Node, settings: NodeSettings) -> None:
        self._node = node
        self._settings = settings
        # No picture may be lost.
        self._every = settings.queue_policy == 'all'
        self._subscriptions: list[Any] = []
        self._subscribed: list[_Subscribed] = []
        self._latched: set[str] = set()
        self._closed = False

    def add(self, kind: type, feed: Feed, callback: Callable[[Any], None], depth: int = 0) -> None:
        """Subscribe to ``feed.topic``; what comes and the quality of service are noted in it.

        Pictures are asked for as reliably as all their publishers offer; see ``reliability``.

        Args:
            kind: the type of the messages.
            feed: the topic.
            callback: called with each message until ``close``.
            depth: messages that wait at least, of a topic with many; else as few as of pictures.
        """

        def receive(message: Any) -> None:
            # One that was taken already when the subscriptions ended.
            if self._closed:
                return
            feed.rate.happened(time.monotonic())
            callback(message)

        reliability = overridden_reliability(self._node, feed.topic)
        follows = reliability is None and not self._every and feed.kind in _PICTURES
        if follows:
            reliability = offered_reliability(self._node, feed.topic, feed.kind)
        usual = ReliabilityPolicy.RELIABLE if self._every else ReliabilityPolicy.BEST_EFFORT
        subscribed = _Subscribed(kind, feed, receive, depth, follows)
        self._subscribed.append(subscribed)
        self._subscribe(subscribed, reliability or usual)

    def _subscribe(self, subscribed: _Subscribed, reliability: ReliabilityPolicy) -> None:
        feed = subscribed.feed

        def incompatible(event: Any) -> None:
            feed.incompatible = _incompatible(feed.topic, event.last_policy_kind)

        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=max(self._settings.queue_size if self._every else 5, subscribed.depth),
            reliability=reliability,
        )
        subscribed.subscription = self._node.create_subscription(
            subscribed.kind,
            feed.topic,
            subscribed.callback,
            profile,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=incompatible),
            qos_overriding_options=QoSOverridingOptions(
                (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH)
            ),
        )
        self._keep(subscribed.subscription)
        profile = subscribed.subscription.qos_profile
        self._node.get_logger().debug(f'subscribed to {feed.topic} as {feed.kind}')
        feed.qos = f'{profile.reliability.name.lower()}, depth {profile.depth}'.replace('_', ' ')

    def follow_publishers(self) -> None:
        """Subscribe again where the publishers of pictures offer another reliability now."""
        for subscribed in list(self._subscribed):
            if self._closed or not subscribed.follows:
                continue
            feed, old = subscribed.feed, subscribed.subscription
            offered = offered_reliability(self._node, feed.topic, feed.kind)
            if offered is None or offered is old.qos_profile.reliability:
                continue
            self._subscriptions.remove(old)
            self._node.destroy_subscription(old)
            feed.incompatible = ''
            self._subscribe(subscribed, offered)

    def add_latched(self, kind: type, feed: Feed, callback: Callable[[Any], None]) -> None:
        """Subscribe also to what a publisher has sent before, if it keeps it (transient local).

        Only where the feed says that there is such a publisher: any other would warn that the
        quality of service asked for does not fit. What it sends from now on comes twice.
        """
        if not feed.latched or feed.topic in self._latched or self._closed:
            return
        self._latched.add(feed.topic)

        def receive(message: Any) -> None:
            if self._closed:
                return
            # Counted once, where it comes by the other subscription, too.
            if not feed.rate.count:
                feed.rate.happened(time.monotonic())
            callback(message)

        subscription = self._node.create_subscription(
            kind,
            feed.topic,
            receive,
            _LATCHED,
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )
        self._keep(subscription)

    def _keep(self, subscription: Any) -> None:
        self._subscriptions.append(subscription)
        # Another thread may have closed meanwhile, and not have seen it.
        if self._closed:
            self._node.destroy_subscription(subscription)

    def close(self) -> None:
        """Unsubscribe."""
        self._closed = True
        for subscription in list(self._subscriptions):
            self._node.destroy_subscription(subscription)


def _incompatible(topic: str, policy: QoSPolicyKind) -> str:
    name = qos_policy_name_from_kind(policy).lower()
    wanted = 'best_effort' if name == 'reliability' else 'volatile'
    return (
        f'a publisher of {topic} offers a quality of service (QoS) that does not fit: its {name} '
        f'is less than asked for, so nothing of it arrives; start the node with the parameter '
        f'qos_overrides.{topic}.subscription.{name}:={wanted}, or change the publisher'
    )
