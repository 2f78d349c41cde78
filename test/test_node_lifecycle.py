# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle over DDS: what a manager may ask, and what goes wrong on the way."""

import signal

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from lifecycle_msgs.msg import Transition
from node_harness import ERROR, WARN
from rcl_interfaces.srv import GetParameters
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from std_srvs.srv import Trigger


def test_impossible_transitions_are_refused_and_harm_nothing(start_node, make_listener):
    node = start_node(stand_in=[], autostart=False)
    listener = make_listener()
    listener.until_status(node, WARN, 'unconfigured')
    assert not listener.change_state(node, Transition.TRANSITION_ACTIVATE)
    assert not listener.change_state(node, Transition.TRANSITION_CLEANUP)
    assert listener.state(node) == 'unconfigured'
    assert listener.change_state(node, Transition.TRANSITION_CONFIGURE)
    assert not listener.change_state(node, Transition.TRANSITION_CONFIGURE)
    assert listener.change_state(node, Transition.TRANSITION_ACTIVATE)
    assert not listener.change_state(node, Transition.TRANSITION_ACTIVATE)
    assert listener.state(node) == 'active'
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'refused: the node is unconfigured' in node.text
    assert 'Traceback' not in node.text


def test_node_answers_while_the_network_loads(start_node, make_listener):
    node = start_node(stand_in=['--load-seconds', '4'])
    listener = make_listener()
    listener.until_status(node, WARN, 'activating: loading slowly')
    assert listener.state(node) == 'activating'
    request = GetParameters.Request(names=['queue_policy'])
    reply = listener.call(node, GetParameters, 'loftr_vo/get_parameters', request, 2.0)
    assert reply.values[0].string_value == 'newest'
    # A reset does not wait for it either, nor pile up.
    reply = listener.call(node, Trigger, 'loftr_vo/reset', Trigger.Request(), 2.0)
    assert not reply.success
    assert 'the node is busy (loading slowly)' in reply.message
    # A manager that comes too late, and one that comes in the middle.
    assert not listener.change_state(node, Transition.TRANSITION_CONFIGURE)
    assert not listener.change_state(node, Transition.TRANSITION_ACTIVATE)
    assert 'activating' in listener.state(node), 'answered only after the network was loaded'
    listener.until_status(node, WARN, 'no image yet')
    assert listener.state(node) == 'active'
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'Traceback' not in node.text


def test_interrupt_in_the_middle_of_a_transition_ends_the_process(start_node, make_listener):
    node = start_node(stand_in=['--load-seconds', '60'])
    listener = make_listener()
    listener.until_status(node, WARN, 'activating: loading slowly')
    code, seconds = node.stop(signal.SIGINT)
    assert code == 0, node.text
    assert seconds < 5.0
    assert 'Traceback' not in node.text


def test_device_that_is_not_there_is_said_and_the_node_stays(start_node, make_listener):
    node = start_node(autostart=False, **{'matcher.device': 'cuda:7'})
    listener = make_listener()
    listener.until_status(node, WARN, 'unconfigured')
    assert listener.change_state(node, Transition.TRANSITION_CONFIGURE)
    assert not listener.change_state(node, Transition.TRANSITION_ACTIVATE)
    assert listener.state(node) == 'inactive'
    listener.until_status(node, ERROR, "activating failed: device 'cuda:7' is not")
    assert listener.change_state(node, Transition.TRANSITION_CLEANUP)
    listener.until_status(node, WARN, 'unconfigured')
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'Traceback' not in node.text
