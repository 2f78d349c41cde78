# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Looking around in the ROS graph for who publishes what is listened to."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy

from loftr_vo.ros.health import Feed

_COMPRESSED = 'sensor_msgs/msg/CompressedImage'


def look_for_publishers(node: Node, feed: Feed) -> None:
    """Note in ``feed`` who publishes its topic and how, and where else there is such a thing."""
    fitting, foreign, latched = [], [], False
    for found in node.get_publishers_info_by_topic(feed.topic):
        name = _name(found)
        if found.topic_type == feed.kind:
            fitting.append(f'{name} ({_in_words(found.qos_profile)})')
            durability = found.qos_profile.durability
            latched = latched or durability is DurabilityPolicy.TRANSIENT_LOCAL
        else:
            foreign.append(f'as {found.topic_type} by {name}')
    feed.publishers, feed.foreign, feed.latched = tuple(fitting), tuple(foreign), latched
    feed.elsewhere = () if fitting or foreign else _elsewhere(node, feed)
    if not fitting:
        feed.incompatible = ''


def _name(found: Any) -> str:
    # What the middleware says before it has heard of the node that a publisher belongs to.
    if found.node_name == '_NODE_NAME_UNKNOWN_':
        return 'a node not known yet'
    return f'{found.node_namespace.rstrip("/")}/{found.node_name}'


def _elsewhere(node: Node, feed: Feed) -> tuple[str, ...]:
    own = node.get_fully_qualified_name() + '/'
    return tuple(
        topic.removesuffix('/compressed') if feed.kind == _COMPRESSED else topic
        for topic, kinds in node.get_topic_names_and_types()
        if feed.kind in kinds and not topic.startswith(own) and node.count_publishers(topic)
    )


def _in_words(profile: Any) -> str:
    return profile.reliability.name.lower().replace('_', ' ')
