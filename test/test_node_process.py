# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The real node as a process of its own, seen over DDS by others."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from paths import ROOT

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from camera_process import camera_info, image
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from scenery import K, sideways_view
from sensor_msgs.msg import CameraInfo, Image

SECOND = 10**9
WEIGHTS = 'compact'
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def environment():
    paths = [str(ROOT), str(ROOT / 'test'), os.environ.get('PYTHONPATH', '')]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(paths), 'OMP_NUM_THREADS': '1'}


class NodeProcess:
    """A running ``vo_node``; its output goes to a file."""

    def __init__(self, output, **parameters):
        executable = Path(sys.executable).with_name('vo_node')
        start = (
            [executable] if executable.exists() else [sys.executable, '-m', 'loftr_vo.ros.node']
        )
        parameters = {'matcher.weights': WEIGHTS, 'matcher.image_size': 320, **parameters}
        words = [
            word
            for name, value in parameters.items()
            for word in ('-p', f'{name}:={str(value).lower()}')
        ]
        self._output = output
        with output.open('w') as file:
            self.process = subprocess.Popen(
                [*start, '--ros-args', *words],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment(),
                cwd=output.parent,
                start_new_session=True,
            )

    @property
    def text(self):
        return self._output.read_text()

    def stop(self, number):
        """Send a signal; return exit code and seconds until the end."""
        start = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(20.0), time.monotonic() - start


class Listener:
    """Ears, and a camera of its own, in the test's process."""

    def __init__(self, reliable=True):
        self.node = rclpy.create_node('listener')
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        quality = QoSProfile(depth=50, reliability=reliability)
        self.images = self.node.create_publisher(Image, 'image', quality)
        self.infos = self.node.create_publisher(CameraInfo, 'camera_info', quality)
        self.odometry, self.statuses, self.diagnostics = [], [], []
        for kind, topic, heard in (
            (Odometry, 'odom', self.odometry),
            (DiagnosticStatus, 'loftr_vo/status', self.statuses),
            (DiagnosticArray, '/diagnostics', self.diagnostics),
        ):
            self.node.create_subscription(kind, topic, heard.append, 100)

    def until(self, process, condition, what, timeout=60.0):
        deadline = time.monotonic() + timeout
        while not condition():
            assert process.process.poll() is None, f'the node ended: {process.text}'
            last = self.statuses[-1].message if self.statuses else 'no status'
            assert time.monotonic() < deadline, f'no {what}; {last}; {process.text}'
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def meet(self, process):
        """Wait until the node is active and either side knows of the other's topics."""
        self.until(process, lambda: self.statuses, 'status')
        self.until(process, self.images.get_subscription_count, 'subscription of image')
        self.until(process, self.infos.get_subscription_count, 'subscription of camera_info')

    def until_status(self, process, level, words):
        """Wait for a status that comes from now on."""
        self.statuses.clear()
        self.until(
            process,
            lambda: any(s.level == level and words in s.message for s in self.statuses),
            f'status with {words!r}',
        )
        return {pair.key: pair.value for pair in self.statuses[-1].values}

    def stamps(self):
        stamps = [message.header.stamp for message in self.odometry]
        return [stamp.sec * SECOND + stamp.nanosec for stamp in stamps]


@pytest.fixture
def start_node(tmp_path):
    processes = []

    def start(**parameters):
        processes.append(NodeProcess(tmp_path / f'node{len(processes)}.log', **parameters))
        return processes[-1]

    yield start
    for process in processes:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()


@pytest.fixture
def make_listener():
    listeners = []

    def make(**options):
        listeners.append(Listener(**options))
        return listeners[-1]

    yield make
    for listener in listeners:
        listener.node.destroy_node()


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
    client = listener.node.create_client(ChangeState, 'loftr_vo/change_state')
    listener.until(node, client.service_is_ready, 'change_state')
    for transition, words in (
        (Transition.TRANSITION_CONFIGURE, 'inactive'),
        (Transition.TRANSITION_ACTIVATE, 'no image yet'),
        (Transition.TRANSITION_DEACTIVATE, 'inactive'),
        (Transition.TRANSITION_CLEANUP, 'unconfigured'),
        (Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, 'finalized'),
    ):
        request = ChangeState.Request(transition=Transition(id=transition))
        future = client.call_async(request)
        listener.until(node, future.done, f'answer to transition {transition}')
        assert future.result().success
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
