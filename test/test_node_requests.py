# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What was answered with success is done: without pictures, and through a deactivation."""

import threading

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from forward_odometry import ForwardOdometry
from rclpy.parameter import Parameter
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from std_srvs.srv import Trigger
from test_node import ERROR, SECOND, SUCCESS, make_rig  # noqa: F401 a fixture

from loftr_vo.matching.device import DeviceLostError


def set_threshold(rig, value):
    assert rig.node.set_parameters([Parameter('matcher.threshold', value=value)])[0].successful


def start_anew(rig):
    assert rig.node.trigger_deactivate() == SUCCESS
    assert rig.node.trigger_activate() == SUCCESS


def threshold(rig):
    settings = rig.odometry.settings
    return None if settings is None else settings.matcher.threshold


def test_a_parameter_is_taken_over_though_no_picture_comes(make_rig):  # noqa: F811
    rig = make_rig()
    rig.start()
    set_threshold(rig, 0.5)
    rig.until(lambda: threshold(rig) == 0.5)


def test_a_reset_is_done_though_no_picture_comes(make_rig):  # noqa: F811
    rig = make_rig(queue_policy='all')
    rig.start()
    rig.send_info()
    rig.track(SECOND)
    assert rig.call(Trigger, 'loftr_vo/reset', Trigger.Request()).success
    rig.until(lambda: rig.odometry.resets == 1)


class BusyOdometry(ForwardOdometry):
    """One that never asks for the next picture."""

    def stream(self, frames):
        for frame in frames:
            yield self.track(frame)
            self.released.wait(30.0)


def test_a_request_during_the_last_picture_outlives_deactivation(make_rig):  # noqa: F811
    rig = make_rig(queue_policy='all')
    busy = BusyOdometry()
    busy.released = threading.Event()
    rig.odometry = busy
    rig.start()
    rig.send_info()
    rig.track(SECOND)
    set_threshold(rig, 0.5)
    assert rig.call(Trigger, 'loftr_vo/reset', Trigger.Request()).success
    assert (busy.resets, threshold(rig)) == (0, 0.2)
    threading.Timer(0.3, busy.released.set).start()
    start_anew(rig)
    assert busy.resets == 1
    assert threshold(rig) == 0.5


def test_a_parameter_set_while_inactive_counts_from_the_first_picture(make_rig):  # noqa: F811
    rig = make_rig(queue_policy='all')
    rig.start()
    assert rig.node.trigger_deactivate() == SUCCESS
    set_threshold(rig, 0.7)
    assert rig.node.trigger_activate() == SUCCESS
    rig.until(lambda: threshold(rig) == 0.7)


def test_a_parameter_set_after_the_device_failed_is_not_lost(make_rig):  # noqa: F811
    rig = make_rig(queue_policy='all', load=lambda settings, report: rig.odometry)
    rig.start()
    rig.send_info()
    rig.odometry.fail_at = (SECOND,)
    rig.odometry.error = DeviceLostError('cuda:0 failed')
    rig.send_image(SECOND)
    rig.until(rig.says(ERROR, 'cuda:0 failed'))
    set_threshold(rig, 0.6)
    rig.odometry = ForwardOdometry()
    assert rig.call(Trigger, 'loftr_vo/reset', Trigger.Request()).success
    rig.until(lambda: rig.odometry.settings is not None)
    assert threshold(rig) == 0.6


def test_a_request_that_fails_is_logged_and_the_next_picture_tracked(make_rig, capfd):  # noqa: F811
    rig = make_rig(queue_policy='all')
    rig.start()
    rig.send_info()
    rig.track(SECOND)

    def fail():
        raise RuntimeError('no reset today')

    rig.odometry.reset = fail
    assert rig.call(Trigger, 'loftr_vo/reset', Trigger.Request()).success
    rig.track(2 * SECOND)
    assert 'no reset today' in capfd.readouterr().err
