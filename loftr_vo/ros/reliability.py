# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""With what reliability pictures are asked for: that which their publishers offer.

Best effort is usual for sensors, since nobody waits for what was lost. But a picture travels in
hundreds of fragments, and one that is lost takes the whole picture with it.
"""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy

# As the policy of this name in ROS 2 since Iron, but best effort while there is no publisher.
_AS_OFFERED = 'best_available'


def overridden_reliability(node: Node, topic: str) -> ReliabilityPolicy | None:
    """Return the reliability that the user asks for a topic; None where that is not set.

    The parameter is that of ``rclpy.qos_overriding_options``, whose default could not change with
    the publishers.

    Raises:
        RuntimeError: there is no such reliability.
    """
    name = f'qos_overrides.{topic}.subscription.reliability'
    if not node.has_parameter(name):
        text = f'reliability of the subscription to {topic}; {_AS_OFFERED} is what is offered'
        node.declare_parameter(
            name, _AS_OFFERED, ParameterDescriptor(description=text, read_only=True)
        )
    value = node.get_parameter(name).value
    if value == _AS_OFFERED:
        return None
    try:
        return ReliabilityPolicy[str(value).upper()]
    except KeyError:
        known = ', '.join([_AS_OFFERED, 'reliable', 'best_effort'])
        raise RuntimeError(f'{name} is {value!r}; it can be: {known}') from None


def offered_reliability(node: Node, topic: str, kind: str) -> ReliabilityPolicy | None:
    """Return the best reliability that all publishers of a topic offer.

    Args:
        node: that sees them.
        topic: its resolved name.
        kind: the type of message, as in ``Feed``; publishers of others do not count.

    Returns:
        None where there is no publisher.
    """
    offered: list[Any] = [
        each.qos_profile.reliability
        for each in node.get_publishers_info_by_topic(topic)
        if each.topic_type == kind
    ]
    if not offered:
        return None
    if all(each is ReliabilityPolicy.RELIABLE for each in offered):
        return ReliabilityPolicy.RELIABLE
    return ReliabilityPolicy.BEST_EFFORT
