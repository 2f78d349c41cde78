# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the node writes to its log: little when all is well, and each call and change once."""

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.logging import LoggingSeverity
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from std_srvs.srv import SetBool, Trigger
from test_node import SECOND, Rig


@pytest.fixture
def rig():
    """Return an active rig whose camera is known."""
    rig = Rig(queue_policy='all')
    rig.start()
    rig.send_info()
    yield rig
    rig.node.get_logger().set_level(LoggingSeverity.UNSET)
    rig.close()


def test_a_good_run_has_few_lines_and_each_call_is_logged(rig, capfd):
    for second in range(1, 4):
        rig.track(second * SECOND)
    rig.send_image(3 * SECOND)  # refused
    rig.until(lambda: rig.node._health.refused)
    rig.spin(1.2)
    told = capfd.readouterr().err
    assert told.count('[INFO]') <= 10
    assert '[ERROR]' not in told
    assert told.count('is not after the one before') == 1
    assert '[DEBUG]' not in told

    rig.call(SetBool, 'loftr_vo/pause', SetBool.Request(data=True))
    rig.call(SetBool, 'loftr_vo/pause', SetBool.Request(data=False))
    rig.call(Trigger, 'loftr_vo/reset', Trigger.Request())
    told = capfd.readouterr().err
    assert '~/pause: paused' in told
    assert '~/reset: the odometry starts anew' in told

    rig.node.get_logger().set_level(LoggingSeverity.DEBUG)
    rig.track(5 * SECOND)
    rig.spin(0.1)
    told = capfd.readouterr().err
    assert 'picture 5.000000: tracking, ' in told
    assert 'ms in all' in told


def test_another_frame_or_another_camera_under_the_same_topics_is_said(rig, capfd):
    rig.track(SECOND)
    rig.node._pipeline.stream._inputs._note_frame('base_link')
    told = capfd.readouterr().err
    assert "changed from 'camera_optical' to 'base_link'" in told
    for focal in (40.0, 30.0, 40.0, 30.0):
        rig.send_info(k=[focal, 0.0, 16.0, 0.0, focal, 12.0, 0.0, 0.0, 1.0])
    rig.until(lambda: rig.node._health.calibration_returns >= 2)
