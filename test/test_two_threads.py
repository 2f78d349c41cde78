# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node's threads read what others replace meanwhile."""

import contextlib
import itertools
import sys
import threading
import types

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from nav_msgs.msg import Odometry
from test_health import estimate, healthy

from loftr_vo.config import NodeSettings
from loftr_vo.ros import inputs
from loftr_vo.ros.health import Feed, Health
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.status_publisher import StatusPublisher
from loftr_vo.ros.subscribing import Subscriptions


@contextlib.contextmanager
def beside(work):
    """Repeat a function on another thread, which takes turns as often as Python can."""
    over = threading.Event()

    def repeat():
        while not over.is_set():
            work()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(interval)


class SilentNode:
    """Takes what a node takes, and publishes nothing."""

    def __init__(self):
        self.published = []

    def create_publisher(self, kind, topic, depth):
        return types.SimpleNamespace(publish=self.published.append)

    def create_timer(self, period, callback, clock):
        return None

    def get_fully_qualified_name(self):
        return '/loftr_vo'

    def get_logger(self):
        return types.SimpleNamespace(info=print, debug=print, warning=print, error=print)

    def resolve_topic_name(self, name):
        return f'/camera/{name}'

    def has_parameter(self, name):
        return True

    def get_parameter(self, name):
        return types.SimpleNamespace(value='best_available')


def test_status_while_transitions_change_the_facts():
    health, node = healthy(), SilentNode()
    status = StatusPublisher(
        node, health, lambda: 2.0, lambda: None, None, LimitedLog(node.get_logger())
    )
    facts = health.estimate

    turns = itertools.cycle([('activating', None), ('active', facts)])

    def change():
        health.lifecycle, health.estimate = next(turns)

    with beside(change):
        for _ in range(2000):
            status.publish()
    for message in node.published:
        values = {each.key: each.value for each in message.values}
        assert values['reason'] == message.message
        # The reason and the values are of one moment.
        assert ('activating' in message.message) == (values['state'] == 'activating')


@pytest.mark.parametrize('lifecycle', ['activating', 'active'])
def test_a_snapshot_stays_as_it_is(lifecycle):
    health = Health(lifecycle=lifecycle, estimate=estimate())
    taken = health.snapshot()
    health.lifecycle, health.estimate = 'inactive', None
    assert taken.lifecycle == lifecycle
    assert taken.estimate is not None


def test_inputs_that_are_closed_while_their_publishers_are_looked_for(monkeypatch):
    looked_for = []

    class Subscriptions:
        def __init__(self, node, settings):
            pass

        def add(self, kind, feed, callback):
            pass

        def add_latched(self, kind, feed, callback):
            assert feed.topic

        def follow_publishers(self):
            pass

        def close(self):
            pass

    node, health = SilentNode(), Health()
    monkeypatch.setattr(inputs, 'Subscriptions', Subscriptions)
    heard = inputs.Inputs(node, NodeSettings(), health, None, None, LimitedLog(node.get_logger()))

    def look(node, feed):
        looked_for.append(feed.topic)
        heard.close()  # as the transition's thread does

    monkeypatch.setattr(inputs, 'look_for_publishers', look)
    heard.look_for_publishers()
    assert looked_for == ['/camera/image', '/camera/camera_info']
    assert health.image.topic == ''


def test_a_subscription_that_comes_after_the_end_is_destroyed():
    """A parameter may ask for a topic while the stream is closed."""

    destroyed = []

    class Node(SilentNode):
        def create_subscription(self, kind, topic, callback, profile, **options):
            return types.SimpleNamespace(qos_profile=profile)

        def destroy_subscription(self, subscription):
            destroyed.append(subscription)

    node = Node()
    subscriptions = Subscriptions(node, NodeSettings())
    subscriptions.close()
    subscriptions.add(Odometry, Feed('/wheels'), print)
    assert len(destroyed) == 1
