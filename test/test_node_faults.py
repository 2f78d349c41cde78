# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A device that fails in mid-run: the node says so, lives on, and recovers when told to."""

import signal

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from camera_process import camera_info, image
from lifecycle_msgs.msg import Transition
from node_harness import ERROR, SECOND, WARN
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from scenery import sideways_view
from std_srvs.srv import Trigger


def start_and_fail(start_node, make_listener, fault, words, *more):
    """Return a node whose device has failed, and who listens to it."""
    node = start_node(
        stand_in=['--fault', fault, '--at', '2', *more],
        queue_policy='all',
        # The fault is in the network, which on a CPU sees keyframes only.
        **{'matcher.when': 'every_frame'},
    )
    listener = make_listener()
    listener.meet(node)
    listener.infos.publish(camera_info(SECOND))
    for number in range(1, 5):
        listener.images.publish(image(number * SECOND, sideways_view(number)))
    values = listener.until_status(node, ERROR, words)
    assert values['state'] == 'failed'
    assert values['lifecycle'] == 'active'
    assert listener.stamps() == [1 * SECOND]
    return node, listener


def assert_tracks_again(node, listener, first):
    """Send pictures from ``first`` seconds on, and wait for the odometry of each."""
    listener.odometry.clear()
    for number in range(first, first + 3):
        listener.images.publish(image(number * SECOND, sideways_view(number)))
    expected = [number * SECOND for number in range(first, first + 3)]
    listener.until(node, lambda: listener.stamps() == expected, 'odometry after the fault')


def test_memory_that_runs_out_is_said_and_reset_goes_on(start_node, make_listener):
    node, listener = start_and_fail(start_node, make_listener, 'memory', 'out of memory on cuda:0')
    assert 'call ~/reset' in listener.statuses[-1].message
    # Nothing changes by itself, and pictures harm nothing.
    listener.images.publish(image(9 * SECOND, sideways_view(1)))
    listener.until_status(node, ERROR, 'out of memory on cuda:0')
    reply = listener.call(node, Trigger, 'loftr_vo/reset', Trigger.Request())
    assert reply.success, reply.message
    assert 'the network was loaded anew' in reply.message
    listener.until_status(node, WARN, 'no image yet')
    listener.infos.publish(camera_info(10 * SECOND))
    assert_tracks_again(node, listener, 11)
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'Traceback' not in node.text


def test_reset_of_a_device_that_stays_lost_fails_with_the_reason(start_node, make_listener):
    node, listener = start_and_fail(
        start_node, make_listener, 'lost', 'cuda:0 failed: CUDA error', '--failing-loads', '1'
    )
    reply = listener.call(node, Trigger, 'loftr_vo/reset', Trigger.Request())
    assert not reply.success
    assert 'cannot be loaded anew: cuda:0 failed: CUDA error: unspecified launch' in reply.message
    listener.until_status(node, ERROR, 'cuda:0 failed: CUDA error')
    # It comes back.
    reply = listener.call(node, Trigger, 'loftr_vo/reset', Trigger.Request())
    assert reply.success, reply.message
    listener.infos.publish(camera_info(10 * SECOND))
    assert_tracks_again(node, listener, 11)
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'Traceback' not in node.text


def test_device_that_was_lost_is_recovered_by_the_lifecycle(start_node, make_listener):
    node, listener = start_and_fail(start_node, make_listener, 'lost', 'cuda:0 failed: CUDA error')
    assert listener.change_state(node, Transition.TRANSITION_DEACTIVATE)
    listener.until_status(node, WARN, 'inactive')
    assert listener.change_state(node, Transition.TRANSITION_ACTIVATE)
    listener.until_status(node, WARN, 'no image yet')
    listener.infos.publish(camera_info(10 * SECOND))
    assert_tracks_again(node, listener, 11)
    assert node.text.count('warmed up') == 2
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'Traceback' not in node.text
