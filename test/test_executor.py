# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node's executor: long work does not hold up short work, and nothing that fails is lost."""

import threading
import time

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException
from ros_domain import ros  # noqa: F401 a fixture, used by every test here

from loftr_vo.ros.executor import AsideExecutor


@pytest.fixture
def node():
    node = rclpy.create_node('worker')
    node.aside = ReentrantCallbackGroup()
    yield node
    node.destroy_node()


@pytest.fixture
def executor(node):
    executor = AsideExecutor(node.aside)
    executor.add_node(node)
    yield executor
    executor.shutdown()


def spin_until(executor, condition):
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline
        executor.spin_once(timeout_sec=0.05)


def test_short_work_goes_on_while_long_work_is_under_way(node, executor):
    release, finished, ticks, threads = threading.Event(), [], [], set()

    def long_work():
        timer.cancel()
        release.wait(10.0)
        finished.append(len(ticks))

    def short_work():
        ticks.append(time.monotonic())
        threads.add(threading.current_thread())

    timer = node.create_timer(0.0, long_work, node.aside)
    node.create_timer(0.02, short_work)
    spin_until(executor, lambda: len(ticks) >= 10)
    assert not finished
    release.set()
    spin_until(executor, lambda: finished)
    assert threads == {threading.current_thread()}


def test_several_long_works_go_on_at_once(node, executor):
    meeting = threading.Barrier(2)
    met = []

    timers = []

    def make(number):
        def work():
            timers[number].cancel()
            met.append(meeting.wait(5.0))

        timers.append(node.create_timer(0.0, work, node.aside))

    make(0)
    make(1)
    spin_until(executor, lambda: len(met) == 2)


@pytest.mark.parametrize('aside', [False, True])
def test_what_a_callback_raises_comes_out(node, executor, aside):
    def fail():
        timer.cancel()
        raise ValueError('this callback hurts')

    timer = node.create_timer(0.0, fail, node.aside if aside else None)
    with pytest.raises(ValueError, match='this callback hurts'):
        spin_until(executor, lambda: False)


def test_spinning_ends_when_nothing_comes(executor):
    start = time.monotonic()
    executor.spin_once(timeout_sec=0.05)
    assert time.monotonic() - start < 5.0


@pytest.mark.parametrize('ended', [True, False])
def test_a_signal_in_the_middle_of_waiting_ends_it_and_other_failures_are_raised(
    ended, monkeypatch
):
    """Rclpy asks whether a signal came, then waits: one that comes in between is an RCLError."""
    context = rclpy.Context()
    rclpy.init(context=context)
    executor = AsideExecutor(ReentrantCallbackGroup(), context=context)

    def wait(*_, **__):
        if ended:
            context.try_shutdown()
        raise RuntimeError('failed to initialize wait set')

    monkeypatch.setattr(executor, 'wait_for_ready_callbacks', wait)
    with pytest.raises(ExternalShutdownException if ended else RuntimeError):
        executor.spin_once()
    context.try_shutdown()
