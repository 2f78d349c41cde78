# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The diagnosis of the pictures and calibrations that the node subscribes to."""

from __future__ import annotations

import math

from loftr_vo.ros.health import MAX_CALIBRATION_CHANGES, Feed, Health
from loftr_vo.ros.level import Diagnosis, Level

# Changes of the calibration within this time that are more than a new calibration: two cameras.
_UNSTEADY_SECONDS = 3.0
# Times that it changed back to the one before, and seconds since the last of them.
_RETURNS, _RECENT_SECONDS = 2, 10.0
# How the inputs are called in messages.
_PLURALS = {
    'image': 'pictures are',
    'camera_info': 'calibrations are',
    'scale_odom': 'odometry is',
    'imu': 'measurements of an IMU are',
}
_MOST_TOPICS = 3
# By the type asked for, what to do where the other type is published.
_TRANSPORT_HINTS = {
    'sensor_msgs/msg/Image': '; set image_transport to compressed and remap image without '
    'the ending /compressed',
    'sensor_msgs/msg/CompressedImage': '; set image_transport to raw',
}


def diagnose_inputs(health: Health, now: float, timeout: float) -> Diagnosis | None:
    """Return what is wrong with the node's inputs; None where nothing is.

    Args:
        health, now, timeout: as ``diagnose`` has them.
    """
    for feed, what in ((health.image, 'image'), (health.camera_info, 'camera_info')):
        if what == 'camera_info' and health.calibration_file:
            continue
        silence = feed.rate.silence(now)
        if feed.incompatible and silence > timeout:
            return Level.ERROR, feed.incompatible
        if math.isinf(silence):
            return Level.WARN, explain_silence(feed, what)
        # Some drivers send their calibration once; only pictures must keep coming. As long as some
        # wait, their end is nothing to be alarmed by.
        if what == 'image' and silence > timeout and not health.backlog:
            gone = '' if feed.publishers else '; nothing publishes it any more'
            return Level.ERROR, f'no image on {feed.topic} for {silence:.1f} s{gone}'
    if health.calibration_error:
        return Level.ERROR, f'{health.camera_info.topic}: {health.calibration_error}'
    if health.waiting_for_transform:
        return Level.WARN, health.waiting_for_transform
    return _diagnose_changes(health, now)


def _diagnose_changes(health: Health, now: float) -> Diagnosis | None:
    """Return a warning where two cameras publish their calibrations under one topic."""
    changes = health.calibration_changes
    often = len(changes) == MAX_CALIBRATION_CHANGES and now - changes[0] < _UNSTEADY_SECONDS
    # Cameras that seldom send theirs are known by this: it changes back to the one before.
    back = health.calibration_returns >= _RETURNS and now - changes[-1] < _RECENT_SECONDS
    if not (often or back):
        return None
    feed = health.camera_info
    by = f' It is published by {", ".join(feed.publishers)}.' if feed.publishers else ''
    return Level.WARN, (
        f'{feed.topic}: the calibration changes all the time: do two cameras share the topic?{by}'
    )


def explain_silence(feed: Feed, what: str) -> str:
    """Return why nothing has come on a topic yet, and what to do.

    Args:
        feed: the topic.
        what: the node's own name for it, such as ``image``.
    """
    if feed.publishers:
        return (
            f'no {what} yet on {feed.topic} ({feed.qos}), though it is published by '
            f'{", ".join(feed.publishers)}'
        )
    if feed.foreign:
        hint = _TRANSPORT_HINTS.get(feed.kind, '') if what == 'image' else ''
        return (
            f'no {what} yet: {feed.topic} is published {", ".join(feed.foreign)}, '
            f'not as {feed.kind}{hint}'
        )
    return f'no {what} yet: nothing publishes {feed.topic} ({feed.qos}); {_advice(feed, what)}'


def _use_transport(topic: str, kind: str, what: str) -> str:
    """Return which parameter makes the node take a topic that has the same pictures."""
    parameter = 'depth_transport' if what.startswith('depth') else 'image_transport'
    by_ending = {'compressed': 'image_transport', 'compressedDepth': 'depth_transport'}
    ending = topic.rpartition('/')[2]
    if kind == 'sensor_msgs/msg/Image':
        return f'{topic} is published: set {parameter} to raw'
    if kind == 'sensor_msgs/msg/CompressedImage' and by_ending.get(ending) == parameter:
        return f'{topic} is published: set {parameter} to {ending}'
    return (
        f'{topic} is published as {kind}, which the node does not decode: have republish of '
        'image_transport make raw pictures of it'
    )


def _advice(feed: Feed, what: str) -> str:
    if feed.transports:
        return '; '.join(_use_transport(topic, kind, what) for topic, kind in feed.transports)
    if not feed.elsewhere or what not in _PLURALS:
        camera_on = 'is the camera on, ' if what in ('image', 'camera_info') else ''
        return f'{camera_on}is {what} remapped to its topic?'
    others = ', '.join(feed.elsewhere[:_MOST_TOPICS])
    more = ', ...' if len(feed.elsewhere) > _MOST_TOPICS else ''
    return f'{_PLURALS[what]} on {others}{more}: remap {what} to the right one'
