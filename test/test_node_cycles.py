# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What is destroyed on one thread while another uses it: the node neither ends nor grows."""

import threading
import time

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from lifecycle_cycles import Cycles, Flood
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from loftr_vo.ros.executor import AsideExecutor
from loftr_vo.ros.managed_node import ManagedNode


@pytest.fixture
def node():
    node = ManagedNode('managed')
    yield node
    node.destroy_node()


@pytest.fixture
def executor(node):
    executor = AsideExecutor(node.transitions)
    executor.add_node(node)
    yield executor
    executor.shutdown()


def spin_until(executor, condition):
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline
        executor.spin_once(timeout_sec=0.05)


def aside(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_hundred_cycles_under_a_camera_leave_the_node_alive_and_nothing_behind():
    flood, cycles = Flood(), Cycles(100, 20)
    try:
        cycles.run()
    finally:
        flood.close()
    assert cycles.done == 100
    assert cycles.odometry.count > 50
    first, last = cycles.inventories
    # rclpy keeps a reference to everything that was ever made, without care 22 a cycle.
    assert len(cycles.node.default_callback_group.entities) < 100
    assert last.threads <= first.threads
    assert last.descriptors <= first.descriptors
    # One picture in work, and what malloc keeps; a leak of one depth image a cycle is 0.2 MiB.
    assert last.memory - first.memory < 8.0


def test_a_flood_while_subscriptions_end_does_not_end_the_executor():
    """Where each thread destroyed what it liked, three of four such runs ended the executor."""
    flood, cycles = Flood(rate=2000.0), Cycles(60, 20)
    try:
        cycles.run()
    finally:
        flood.close()
    assert cycles.done == 60


@pytest.mark.parametrize('kind', ['subscription', 'publisher', 'service', 'client', 'timer'])
def test_what_the_executor_waits_for_is_destroyed_on_its_thread(node, executor, kind, monkeypatch):
    make = {
        'subscription': lambda: node.create_subscription(Empty, 'topic', print, 1),
        'publisher': lambda: node.create_publisher(Empty, 'topic', 1),
        'service': lambda: node.create_service(Trigger, 'service', print),
        'client': lambda: node.create_client(Trigger, 'service'),
        'timer': lambda: node.create_timer(10.0, print),
    }
    threads = []
    destroy = getattr(Node, f'destroy_{kind}')

    def noted(self, entity):
        threads.append(threading.current_thread())
        return destroy(self, entity)

    monkeypatch.setattr(Node, f'destroy_{kind}', noted)
    entity, outcome = make[kind](), []
    executor.spin_once(timeout_sec=0.05)
    other = aside(lambda: outcome.append(getattr(node, f'destroy_{kind}')(entity)))
    spin_until(executor, lambda: not other.is_alive())
    assert outcome == [True]
    assert threads == [threading.current_thread()]


def test_a_lifecycle_publisher_is_destroyed_on_its_thread_too(node, executor):
    publisher, threads = node.create_lifecycle_publisher(Empty, 'topic', 1), []
    executor.spin_once(timeout_sec=0.05)
    between_waits = executor.between_waits

    def noted(work):
        threads.append(threading.current_thread())
        return between_waits(work)

    executor.between_waits = noted
    other = aside(lambda: node.destroy_lifecycle_publisher(publisher))
    spin_until(executor, lambda: not other.is_alive())
    assert threads == [other]


def test_an_executor_that_does_not_spin_is_not_waited_for():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = ManagedNode('ended', context=context)
    executor = AsideExecutor(node.transitions, context=context)
    executor.add_node(node)
    executor.spin_once(timeout_sec=0.05)
    done = []
    context.try_shutdown()
    other = aside(lambda: done.append(executor.between_waits(lambda: 'done')))
    other.join(10.0)
    assert done == ['done']


def test_what_is_done_on_the_executors_thread_may_fail(node, executor):
    executor.spin_once(timeout_sec=0.05)
    raised = []

    def fail():
        raise ValueError('this hurts')

    def ask():
        with pytest.raises(ValueError, match='this hurts') as caught:
            executor.between_waits(fail)
        raised.append(caught)

    other = aside(ask)
    spin_until(executor, lambda: not other.is_alive())
    assert raised


def test_a_service_that_is_taken_away_while_it_answers_is_no_fault(node, executor):
    gone = threading.Event()

    def answer(_, reply):
        gone.wait(10.0)
        return reply

    service = node.create_service(Trigger, 'slow', answer, callback_group=node.transitions)
    client = node.create_client(Trigger, 'slow')
    spin_until(executor, client.service_is_ready)
    client.call_async(Trigger.Request())
    threads = threading.active_count()
    spin_until(executor, lambda: threading.active_count() > threads)
    node.destroy_service(service)
    gone.set()
    spin_until(executor, lambda: threading.active_count() == threads)
    for _ in range(3):
        executor.spin_once(timeout_sec=0.05)


def test_a_fault_of_the_code_still_comes_out(node, executor):
    def fail(*_):
        raise InvalidHandle('of something else')

    node.create_timer(0.01, fail, node.transitions)
    with pytest.raises(InvalidHandle, match='of something else'):
        spin_until(executor, lambda: False)
