# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that others got wrong, many of them: said once, in short, and survived."""

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from sensor_msgs.msg import CompressedImage
from std_srvs.srv import Trigger
from test_node import ERROR, OK, SECOND, WARN, make_rig, rig  # noqa: F401 fixtures

from loftr_vo.matching.working_size import PictureError
from loftr_vo.ros import messages
from loftr_vo.ros.own_errors import details, is_own


def lines_of_node(capfd):
    said = capfd.readouterr().err.splitlines()
    return [line for line in said if '[loftr_vo]' in line]


def test_bad_pictures_that_differ_each_time_do_not_flood_the_log(rig, capfd):  # noqa: F811
    for number in range(100):
        rig.send_image((1 + number) * SECOND // 50, encoding=f'mystery{number}')
        rig.spin(0.005)
    rig.track(10 * SECOND)
    left_out = [line for line in lines_of_node(capfd) if 'picture left out' in line]
    assert len(left_out) == 1


def test_an_encoding_of_a_hundred_thousand_characters_is_cut_everywhere(rig, capfd):  # noqa: F811
    rig.send_image(SECOND, encoding='\x1b' + 100_000 * 'e')
    rig.until(rig.says(ERROR, 'is not supported'))
    status = rig.heard['loftr_vo/status'][-1]
    assert len(status.message) < 2000
    assert 'supported are mono8' in status.message
    assert all(len(pair.value) < 2000 for pair in status.values)
    said = '\n'.join(lines_of_node(capfd))
    assert 'characters)' in said
    assert len(said) < 5000
    assert '\x1b' not in said


def test_an_image_without_encoding_is_reported_and_left_out(rig, capfd):  # noqa: F811
    rig.send_image(SECOND, encoding='')
    rig.until(rig.says(ERROR, "the image encoding '' is not supported"))
    rig.track(2 * SECOND)
    assert 'Traceback' not in capfd.readouterr().err


def test_a_compressed_image_without_format_is_reported_and_left_out(make_rig, capfd):  # noqa: F811
    rig = make_rig(queue_policy='all', image_transport='compressed')  # noqa: F811
    compressed = rig.camera.create_publisher(CompressedImage, 'image/compressed', 10)
    assert rig.node.trigger_configure().name == rig.node.trigger_activate().name == 'SUCCESS'
    rig.until(lambda: compressed.get_subscription_count() and rig.infos.get_subscription_count())
    rig.send_info()
    message = CompressedImage(format='', data=b'none')
    message.header = messages.header(SECOND, 'camera_optical')
    compressed.publish(message)
    rig.until(rig.says(ERROR, "(format '') "))
    assert 'Traceback' not in capfd.readouterr().err


@pytest.mark.parametrize('step', [1e-6, 10.0], ids=['jitter', 'two cameras'])
def test_calibrations_that_change_with_each_message_are_not_logged_each(rig, capfd, step):  # noqa: F811
    for number in range(60):
        focal = 30.0 + step * (number % 2)
        rig.send_info(k=[focal, 0.0, 16.0, 0.0, focal, 12.0, 0.0, 0.0, 1.0])
        rig.spin(0.005)
    rig.track(SECOND)
    said = lines_of_node(capfd)
    assert sum('focal length' in line for line in said) == 1


def test_refused_stamps_are_logged_once(rig, capfd):  # noqa: F811
    rig.track(10 * SECOND)
    for _ in range(20):
        rig.send_image(10 * SECOND)
        rig.spin(0.1)
    rig.until(rig.says(WARN, 'picture refused'))
    rig.spin(1.5)
    said = [line for line in lines_of_node(capfd) if 'picture refused' in line]
    assert len(said) == 1


def test_a_fault_of_a_library_shows_where_it_came_from(rig, capfd):  # noqa: F811
    rig.odometry.fail_at = (SECOND,)
    rig.odometry.error = np.linalg.LinAlgError('Singular matrix')
    rig.send_image(SECOND)
    rig.until(rig.says(ERROR, 'LinAlgError: Singular matrix'))
    rig.track(2 * SECOND)
    said = capfd.readouterr().err
    assert 'Traceback' in said
    assert 'forward_odometry.py' in said


def test_own_errors_are_distinguished_from_those_of_libraries():
    assert is_own(PictureError('too small'))
    assert is_own(FileNotFoundError(2, 'No such file'))
    for error in (np.linalg.LinAlgError('x'), ValueError('x'), RuntimeError('x'), KeyError('x')):
        assert not is_own(error)
    assert details(PictureError('too small')) == 'too small'
    assert details(KeyError('depth')).endswith("KeyError: 'depth'")


def test_pictures_after_a_pause_are_no_overload(rig):  # noqa: F811
    for number in range(10):
        rig.track(SECOND + number * SECOND // 20)
    rig.node._pipeline.stream._mailbox._dropped = 5
    rig.node._commands.pause(True)
    for number in range(60):
        rig.send_image(2 * SECOND + number * SECOND // 50)
        rig.spin(0.02)
    rig.node._commands.pause(False)
    for number in range(10):
        rig.track(5 * SECOND + number * SECOND // 20)
        assert 'overloaded' not in rig.last_status()[1]
    rig.until(rig.says(OK, 'tracking'))


def test_a_reset_is_in_the_log(rig, capfd):  # noqa: F811
    assert rig.call(Trigger, 'loftr_vo/reset', Trigger.Request()).success
    assert '~/reset: the odometry starts anew' in capfd.readouterr().err
