# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The real node as a process of its own, and ears and a camera to go with it, for tests."""

import os
import subprocess
import sys
import time
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from paths import ROOT
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

SECOND = 10**9
WEIGHTS = 'compact'
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def environment():
    paths = [str(ROOT), str(ROOT / 'test'), os.environ.get('PYTHONPATH', '')]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(paths), 'OMP_NUM_THREADS': '1'}


class NodeProcess:
    """A running node; its output goes to a file.

    Args:
        output: the file.
        stand_in: words for ``stand_in_node.py``, to be run in place of ``vo_node``.
        **parameters: of the node.
    """

    def __init__(self, output, stand_in=None, **parameters):
        executable = Path(sys.executable).with_name('vo_node')
        start = (
            [executable]
            if executable.exists()
            else [sys.executable, '-m', 'loftr_vo.ros.executables', 'vo_node']
        )
        if stand_in is not None:
            start = [sys.executable, ROOT / 'test' / 'stand_in_node.py', *stand_in]
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
    """A listener and a camera in the process of the test."""

    def __init__(self, reliable=True):
        self.node = rclpy.create_node('listener')
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        quality = QoSProfile(depth=50, reliability=reliability)
        self.images = self.node.create_publisher(Image, 'image', quality)
        self.infos = self.node.create_publisher(CameraInfo, 'camera_info', quality)
        self.odometry, self.statuses, self.diagnostics = [], [], []
        self.every_status = []  # `statuses` begins anew with each wait
        for kind, topic, heard in (
            (Odometry, 'odom', self.odometry),
            (DiagnosticStatus, 'loftr_vo/status', self.statuses),
            (DiagnosticStatus, 'loftr_vo/status', self.every_status),
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

    def call(self, process, kind, name, request, timeout=60.0):
        """Call a service and return its reply."""
        client = self.node.create_client(kind, name)
        self.until(process, client.service_is_ready, name)
        future = client.call_async(request)
        self.until(process, future.done, f'answer of {name}', timeout)
        self.node.destroy_client(client)
        return future.result()

    def change_state(self, process, transition):
        """Ask for a transition of the lifecycle; return whether it came about."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.call(process, ChangeState, 'loftr_vo/change_state', request).success

    def state(self, process):
        """Return the label of the lifecycle's state."""
        request = GetState.Request()
        return self.call(process, GetState, 'loftr_vo/get_state', request).current_state.label

    def stamps(self):
        stamps = [message.header.stamp for message in self.odometry]
        return [stamp.sec * SECOND + stamp.nanosec for stamp in stamps]
