# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file in the real launch system: a camera, the node, its odometry, a clean end."""

import sys
import time
import unittest

import pytest

pytest.importorskip('launch_testing', reason='launch_testing is not installed')

import launch_testing.actions
import rclpy
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from diagnostic_msgs.msg import DiagnosticStatus
from launch import LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription, SetEnvironmentVariable
from launch_testing.asserts import assertExitCodes
from launch_testing.tools import launch_process
from lifecycle_msgs.srv import GetState
from nav_msgs.msg import Odometry
from paths import ROOT
from ros_domain import isolate
from std_srvs.srv import Trigger

COUNT, RATE = 6, 5.0
WEIGHTS = 'compact'


def share():
    """Return where the package is installed, None if it is not."""
    try:
        return get_package_share_directory('loftr_vo')
    except (PackageNotFoundError, LookupError):
        return None


@pytest.mark.skipif(share() is None, reason='loftr_vo is not installed for ROS (colcon build)')
@pytest.mark.launch_test
def generate_test_description():
    isolate()
    arguments = {
        'namespace': 'front',
        'name': 'vo',
        'weights': WEIGHTS,
        'queue_policy': 'all',
        'odom_frame': 'front_odom',
    }
    node = IncludeLaunchDescription(
        f'{share()}/launch/vo.launch.py', launch_arguments=arguments.items()
    )
    threads = SetEnvironmentVariable('OMP_NUM_THREADS', '1')
    return LaunchDescription([threads, node, launch_testing.actions.ReadyToTest()])


def camera_process():
    """Return the camera's process as a launch action."""
    return ExecuteProcess(
        cmd=[
            sys.executable,
            str(ROOT / 'test' / 'camera_process.py'),
            *('--count', str(COUNT), '--rate', str(RATE)),
            *('--ros-args', '-r', '__ns:=/front'),
        ],
        output='screen',
    )


class TestRunning(unittest.TestCase):
    def setUp(self):
        rclpy.init()
        self.node = rclpy.create_node('listener')
        self.odometry, self.statuses = [], []
        self.node.create_subscription(Odometry, '/front/odom', self.odometry.append, 50)
        self.node.create_subscription(
            DiagnosticStatus, '/front/vo/status', self.statuses.append, 50
        )
        # From now on the node knows of its listener, and nothing that it publishes is missed.
        self.until(lambda: self.statuses, 'status')

    def tearDown(self):
        self.node.destroy_node()
        rclpy.shutdown()

    def until(self, condition, what):
        deadline = time.monotonic() + 60.0
        while not condition():
            self.assertLess(time.monotonic(), deadline, f'no {what}')
            rclpy.spin_once(self.node, timeout_sec=0.1)

    def call(self, kind, name):
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, name)
        future = client.call_async(kind.Request())
        self.until(future.done, f'answer of {name}')
        return future.result()

    def test_camera_becomes_odometry(self, launch_service, proc_info, proc_output):
        camera = camera_process()
        with launch_process(launch_service, camera, proc_info, proc_output):
            self.until(lambda: len(self.odometry) == COUNT, f'{COUNT} odometries')
            proc_info.assertWaitForShutdown(process=camera, timeout=60.0)
        self.assertEqual({m.header.frame_id for m in self.odometry}, {'front_odom'})
        self.assertLess(self.odometry[-1].pose.pose.position.y, 0.0)

    def test_node_activates_itself(self):
        self.until(
            lambda: self.call(GetState, '/front/vo/get_state').current_state.label == 'active',
            'activation',
        )

    def test_reset_is_answered(self):
        self.assertTrue(self.call(Trigger, '/front/vo/reset').success)


@launch_testing.post_shutdown_test()
class TestShutDown(unittest.TestCase):
    def test_every_process_ended_well(self, proc_info):
        assertExitCodes(proc_info)
