# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Looking around in the ROS graph for who publishes what is listened to."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from loftr_vo.ros.health import Feed

_COMPRESSED = 'sensor_msgs/msg/CompressedImage'


def look_for_publishers(node: Node, feed: Feed) -> None:
    """Note in ``feed`` who publishes its topic and how, and where else there is such a thing."""
    fitting, foreign = [], []
    for found in node.get_publishers_info_by_topic(feed.topic):
        name = f'{found.node_namespace.rstrip("/")}/{found.node_name}'
        if found.topic_type == feed.kind:
            fitting.append(f'{name} ({_in_words(found.qos_profile)})')
        else:
            foreign.append(f'as {found.topic_type} by {name}')
    feed.publishers, feed.foreign = tuple(fitting), tuple(foreign)
    feed.elsewhere = () if fitting or foreign else _elsewhere(node, feed)
    if not fitting:
        feed.incompatible = ''


def _elsewhere(node: Node, feed: Feed) -> tuple[str, ...]:
    own = node.get_fully_qualified_name() + '/'
    return tuple(
        topic.removesuffix('/compressed') if feed.kind == _COMPRESSED else topic
        for topic, kinds in node.get_topic_names_and_types()
        if feed.kind in kinds and not topic.startswith(own) and node.count_publishers(topic)
    )


def _in_words(profile: Any) -> str:
    return profile.reliability.name.lower().replace('_', ' ')
