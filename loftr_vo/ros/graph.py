# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Looks into the ROS graph for who publishes an input, and where else such pictures are."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy

from loftr_vo.ros.health import Feed

_COMPRESSED = 'sensor_msgs/msg/CompressedImage'
# The second part of a topic's name by which image_transport names its transports.
_TRANSPORTS = ('/compressed', '/compressedDepth')
# Types of messages that carry pictures: those of sensor_msgs, and of plug-ins such as theora.
_PICTURES = ('/Image', '/CompressedImage', 'Packet')
# By this topic a node of this package is known, whatever its name.
_OUTPUT = '/match_image'


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
    feed.transports = feed.elsewhere = ()
    if not fitting and not foreign:
        _look_elsewhere(node, feed)
    if not fitting:
        feed.incompatible = ''


def _name(found: Any) -> str:
    # Returned by the middleware until the node of a publisher is discovered.
    if found.node_name == '_NODE_NAME_UNKNOWN_':
        return 'a node not known yet'
    return f'{found.node_namespace.rstrip("/")}/{found.node_name}'


def _look_elsewhere(node: Node, feed: Feed) -> None:
    """Note other transports of the same pictures, and other topics with this type."""
    topics = [each for each in node.get_topic_names_and_types() if node.count_publishers(each[0])]
    base = base_topic(feed.topic)
    feed.transports = tuple(
        (topic, kinds[0])
        for topic, kinds in topics
        if topic != feed.topic
        and (topic == base or topic.rpartition('/')[0] == base)
        and kinds[0].endswith(_PICTURES)
    )
    own = {topic.removesuffix(_OUTPUT) for topic, _ in topics if topic.endswith(_OUTPUT)}
    own.add(node.get_fully_qualified_name())
    feed.elsewhere = tuple(
        topic.removesuffix('/compressed') if feed.kind == _COMPRESSED else topic
        for topic, kinds in topics
        if feed.kind in kinds and not _is_published_by(node, topic, own)
    )


def base_topic(topic: str) -> str:
    """Return the name of the raw pictures, of which image_transport makes the others."""
    for ending in _TRANSPORTS:
        topic = topic.removesuffix(ending)
    return topic


def _is_published_by(node: Node, topic: str, names: set[str]) -> bool:
    """Whether nodes of these names alone publish a topic."""
    return {_name(found) for found in node.get_publishers_info_by_topic(topic)} <= names


def _in_words(profile: Any) -> str:
    return profile.reliability.name.lower().replace('_', ' ')
