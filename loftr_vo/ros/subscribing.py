# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of the node, with the quality of service that all of them have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import (
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from loftr_vo.config import NodeSettings
from loftr_vo.ros.health import Feed

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble has it under its name before
    from rclpy.qos_event import SubscriptionEventCallbacks


def subscribe(
    node: LifecycleNode,
    settings: NodeSettings,
    kind: type,
    feed: Feed,
    callback: Callable[[Any], None],
) -> Any:
    """Return a subscription to ``feed.topic``; its quality of service is noted in the feed."""

    def incompatible(event: Any) -> None:
        feed.incompatible = _incompatible(feed.topic, event.last_policy_kind)

    subscription = node.create_subscription(
        kind,
        feed.topic,
        callback,
        _quality(settings),
        event_callbacks=SubscriptionEventCallbacks(incompatible_qos=incompatible),
        qos_overriding_options=QoSOverridingOptions.with_default_policies(),
    )
    profile = subscription.qos_profile
    feed.qos = f'{profile.reliability.name.lower()}, depth {profile.depth}'.replace('_', ' ')
    return subscription


def _quality(settings: NodeSettings) -> QoSProfile:
    """Return sensor-data quality of service for newest, reliable for every frame in order."""
    every = settings.queue_policy == 'all'
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=settings.queue_size if every else 5,
        reliability=ReliabilityPolicy.RELIABLE if every else ReliabilityPolicy.BEST_EFFORT,
    )


def _incompatible(topic: str, policy: QoSPolicyKind) -> str:
    name = qos_policy_name_from_kind(policy).lower()
    wanted = 'best_effort' if name == 'reliability' else 'volatile'
    return (
        f'a publisher of {topic} offers a quality of service (QoS) that does not fit: its {name} '
        f'is less than asked for, so nothing of it arrives; start the node with the parameter '
        f'qos_overrides.{topic}.subscription.{name}:={wanted}, or change the publisher'
    )
