# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process with a camera and an IMU that publish over DDS."""

import itertools
import math
import signal

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from camera_process import FRAME, camera_info, image
from node_harness import OK, SECOND, WARN
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from sensor_msgs.msg import Imu

from loftr_vo.ros import messages

PICTURE = np.zeros((48, 64), np.uint8)
K = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
PERIOD = SECOND // 100


def test_an_imu_comes_with_the_pictures_and_its_fault_is_in_the_status(start_node, make_listener):
    node = start_node(
        stand_in=[], queue_policy='all', input_timeout=600.0, **{'scale.source': 'imu'}
    )
    listener = make_listener()
    imus = listener.node.create_publisher(Imu, 'imu', 1000)
    listener.meet(node)
    listener.until(node, imus.get_subscription_count, 'subscription of imu')
    listener.infos.publish(camera_info(SECOND, K, 64, 48))
    stamps = itertools.count(SECOND, PERIOD)

    def values():
        return {pair.key: pair.value for pair in listener.statuses[-1].values}

    def feed(gravity):
        """Send a tenth of a second of both; how long they take to arrive is left open."""
        for stamp in itertools.islice(stamps, 10):
            message = Imu(header=messages.header(stamp, FRAME))
            message.linear_acceleration.z = gravity
            imus.publish(message)
        listener.images.publish(image(stamp, PICTURE))

    def used():
        feed(9.81)
        status = listener.statuses[-1]
        is_used = status.level == OK and values().get('imu') == 'used'
        return is_used and float(values()['imu_rate']) > 0

    def in_g():
        feed(1.0)
        status = listener.statuses[-1]
        return status.level == WARN and 'the specific force is given in g' in status.message

    listener.until(node, used, 'use of the IMU')
    assert math.isclose(float(values()['imu_rate']), 100.0, rel_tol=0.2)
    listener.until(node, in_g, 'word of the unit')
    listener.until(node, lambda: values()['imu'] == 'not used', 'going on without the IMU')
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'Traceback' not in node.text
