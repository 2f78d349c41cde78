# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The real node as a process of its own, seen over DDS by others."""

import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from paths import ROOT

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from camera_process import camera_info, image
from lifecycle_msgs.msg import Transition
from node_harness import ERROR, OK, SECOND, WARN, environment
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from scenery import K, sideways_view
from sensor_msgs.msg import CompressedImage, Image


def test_camera_stream_becomes_odometry(start_node, make_listener):
    count, rate = 8, 5.0
    node = start_node(queue_policy='all')
    listener = make_listener()
    listener.node.destroy_publisher(listener.images)
    listener.node.destroy_publisher(listener.infos)
    listener.until_status(node, WARN, 'nothing publishes /image (reliable, depth 1000)')
    script = [sys.executable, ROOT / 'test' / 'camera_process.py']
    camera = subprocess.Popen(
        [*script, '--count', str(count), '--rate', str(rate)], env=environment()
    )
    try:
        listener.until(node, lambda: len(listener.odometry) >= count, f'{count} odometries')
        assert camera.wait(20.0) == 0
    finally:
        camera.kill()

    assert listener.stamps() == [round((10 + i / rate) * SECOND) for i in range(count)]
    for message in listener.odometry:
        assert (message.header.frame_id, message.child_frame_id) == ('odom', 'base_link')
    last = listener.odometry[-1].pose.pose
    position = np.array([last.position.x, last.position.y, last.position.z])
    # To the camera's right is the negative y of the body; how far, one camera cannot tell.
    assert position[1] < 0
    assert abs(position[0]) + abs(position[2]) < 0.2 * abs(position[1])
    assert abs(last.orientation.w) > np.cos(np.radians(1.0) / 2)
    covariance = np.reshape(listener.odometry[-1].pose.covariance, (6, 6))
    assert np.linalg.eigvalsh(covariance).min() > 0

    values = {
        pair.key: pair.value
        for status in listener.statuses
        for pair in status.values
        if status.level == OK
    }
    assert values['state'] == 'tracking'
    assert values['scale'] == 'none (not metric)'
    assert int(values['inliers']) >= 25
    assert values['dropped'] == '0'
    listener.until(node, lambda: listener.diagnostics, 'diagnostics')
    assert listener.diagnostics[-1].status[0].name == '/loftr_vo: odometry'
    code, seconds = node.stop(signal.SIGINT)
    assert code == 0, node.text
    assert seconds < 8.0
    assert 'Traceback' not in node.text
    # What a good run has to say: of the network, the camera and that it tracks.
    assert 0 < node.text.count('[INFO]') <= 10, node.text


def test_a_camera_that_does_not_move_or_is_covered_has_that_reason(start_node, make_listener):
    # On a machine that is busy, the last picture may be worked on for long.
    node = start_node(queue_policy='all', input_timeout=60.0)
    listener = make_listener()
    listener.meet(node)
    listener.infos.publish(camera_info(SECOND))
    for number in range(1, 4):
        listener.images.publish(image(number * SECOND, sideways_view(0)))
    listener.until_status(node, WARN, 'initialising: no parallax')
    for number in range(4, 9):
        listener.images.publish(image(number * SECOND, sideways_view(number)))
    listener.until_status(node, OK, 'tracking')
    listener.images.publish(image(9 * SECOND, np.zeros_like(sideways_view(0))))
    values = listener.until_status(node, ERROR, 'lost: ')
    assert values['state'] == 'lost'
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    # Each diagnosis that stays is in the log, once.
    assert node.text.count('lost: ') <= 1
    assert 'no GPU is used: ' in node.text or 'warming up on cuda' in node.text


def test_bad_input_is_a_diagnostic_and_never_the_end(start_node, make_listener):
    node = start_node(queue_policy='all')
    listener = make_listener()
    listener.meet(node)

    listener.infos.publish(camera_info(1 * SECOND, k=[0.0] * 9))
    listener.images.publish(image(1 * SECOND, sideways_view(0)))
    listener.until_status(node, ERROR, 'K is all zero')
    listener.infos.publish(camera_info(2 * SECOND))
    listener.until(node, lambda: listener.stamps() == [1 * SECOND], 'odometry')

    listener.images.publish(image(3 * SECOND, sideways_view(1), encoding='mystery8'))
    listener.until_status(node, ERROR, "'mystery8' is not supported")

    listener.images.publish(image(4 * SECOND, sideways_view(1)[:100, :100].copy()))
    listener.until_status(node, ERROR, 'the calibration is for 320x240')

    pixel = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    listener.infos.publish(camera_info(5 * SECOND, k=pixel, width=1, height=1))
    time.sleep(0.5)
    listener.images.publish(image(5 * SECOND, np.zeros((1, 1), np.uint8)))
    listener.until_status(node, ERROR, 'PictureError')

    listener.infos.publish(camera_info(6 * SECOND, k=K))
    time.sleep(0.5)
    listener.images.publish(image(6 * SECOND, sideways_view(1)))
    listener.until(node, lambda: 6 * SECOND in listener.stamps(), 'odometry after bad input')
    code, _ = node.stop(signal.SIGTERM)
    assert code == 0, node.text
    assert 'Traceback' not in node.text


def test_incompatible_qos_is_named_with_the_fix_and_the_fix_works(start_node, make_listener):
    listener = make_listener(reliable=False)
    node = start_node(queue_policy='all')
    listener.until_status(
        node, ERROR, 'qos_overrides./image.subscription.reliability:=best_effort'
    )
    assert node.stop(signal.SIGINT)[0] == 0, node.text

    overrides = {
        f'qos_overrides./{topic}.subscription.reliability': 'best_effort'
        for topic in ('image', 'camera_info')
    }
    node = start_node(queue_policy='all', **overrides)
    listener.until_status(node, WARN, '(best effort, depth 1000)')
    listener.infos.publish(camera_info(SECOND))
    listener.images.publish(image(SECOND, sideways_view(0)))
    listener.until(node, lambda: listener.odometry, 'odometry')
    assert node.stop(signal.SIGINT)[0] == 0, node.text


@pytest.mark.parametrize(
    ('transport', 'topic', 'kind', 'words'),
    [
        ('raw', 'image', CompressedImage, 'set image_transport to compressed'),
        ('compressed', 'image/compressed', Image, 'set image_transport to raw'),
    ],
)
def test_pictures_of_the_other_transport_are_named(
    start_node, make_listener, transport, topic, kind, words
):
    listener = make_listener()
    listener.node.destroy_publisher(listener.images)
    listener.node.create_publisher(kind, topic, 1)
    node = start_node(stand_in=[], image_transport=transport)
    wrong = f'/{topic} is published as sensor_msgs/msg/{kind.__name__} by /listener, not as'
    listener.until_status(node, WARN, wrong)
    assert words in listener.statuses[-1].message


def test_interrupt_in_the_middle_of_a_frame_ends_cleanly(start_node, make_listener):
    size = (960, 720)
    k = [3.0 * value if value > 1.0 else value for value in K]
    node = start_node(queue_policy='all', **{'matcher.image_size': size[0]})
    listener = make_listener()
    listener.meet(node)
    listener.infos.publish(camera_info(SECOND, k, *size))
    listener.images.publish(image(SECOND, cv2.resize(sideways_view(0), size)))
    listener.until(node, lambda: listener.odometry, 'odometry')
    # Matched with the first, the second picture takes longer than it takes to send the signal.
    listener.images.publish(image(2 * SECOND, cv2.resize(sideways_view(1), size)))
    listener.until(node, lambda: listener.infos.wait_for_all_acked(), 'acknowledgement')
    time.sleep(0.2)
    code, seconds = node.stop(signal.SIGINT)
    assert len(listener.odometry) == 1
    assert code == 0, node.text
    assert seconds < 8.0
    assert 'Traceback' not in node.text


def test_interrupt_while_the_network_loads_ends_cleanly(start_node):
    node = start_node(**{'matcher.image_size': 2048})
    deadline = time.monotonic() + 30.0
    while 'loading the weights' not in node.text:
        assert time.monotonic() < deadline, node.text
        time.sleep(0.05)
    time.sleep(1.0)
    code, _ = node.stop(signal.SIGINT)
    assert code == 0, node.text
    assert 'warmed up' not in node.text
    assert 'Traceback' not in node.text


def test_second_interrupt_does_no_harm(start_node, make_listener):
    node = start_node()
    listener = make_listener()
    listener.until_status(node, WARN, 'no image yet')
    for _ in range(10):
        node.process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert node.process.wait(20.0) == 0, node.text
    assert 'Traceback' not in node.text


def test_lifecycle_manager_brings_the_node_up_and_down(start_node, make_listener):
    node = start_node(autostart=False)
    listener = make_listener()
    listener.until_status(node, WARN, 'unconfigured')
    for transition, state, words in (
        (Transition.TRANSITION_CONFIGURE, 'inactive', 'inactive'),
        (Transition.TRANSITION_ACTIVATE, 'active', 'no image yet'),
        (Transition.TRANSITION_DEACTIVATE, 'inactive', 'inactive'),
        (Transition.TRANSITION_CLEANUP, 'unconfigured', 'unconfigured'),
        (Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, 'finalized', 'finalized'),
    ):
        assert listener.change_state(node, transition)
        assert listener.state(node) == state
        listener.until_status(node, WARN, words)
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'Traceback' not in node.text


def test_missing_weights_leave_the_node_up_and_saying_so(start_node, make_listener):
    node = start_node(**{'matcher.weights': 'absent.ckpt'})
    listener = make_listener()
    listener.until_status(node, ERROR, 'absent.ckpt')
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'Traceback' not in node.text


def test_bad_parameter_ends_the_node_with_the_reason(start_node):
    node = start_node(queue_policy='sometimes')
    assert node.process.wait(60.0) == 1
    assert 'queue_policy must be one of newest, all' in node.text
    assert 'Traceback' not in node.text
