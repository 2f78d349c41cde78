# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""vo.launch.py in the real launch system: states, odometry, TF, QoS, loss, reset, a clean end."""

import itertools
import sys
import tempfile
import time
import unittest
from pathlib import Path

import pytest

pytest.importorskip('launch_testing', reason='launch_testing is not installed')
pytest.importorskip('evo', reason='evo is not installed')

import launch_testing.actions
import numpy as np
import rclpy
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from camera_process import camera_info, image
from diagnostic_msgs.msg import DiagnosticStatus
from launch import LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription, SetEnvironmentVariable
from launch_testing.asserts import assertExitCodes
from launch_testing.tools import launch_process
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from node_harness import ERROR, OK, SECOND
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_domain import isolate
from scenery import HEIGHT, WIDTH, sideways_view
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger

from loftr_vo.datasets.bag_writing import BagOptions, write_bag
from loftr_vo.evaluation.scoring import align, score_alignment
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.ros.odometry_listener import OdometryListener
from loftr_vo.synthetic.sequence import SyntheticSequence

# A part of the parameters; the others keep their defaults.
PARAMETERS = '/**:\n  ros__parameters:\n    matcher.image_size: 320\n'
FOLDER = Path(tempfile.mkdtemp(prefix='loftr_vo_launch_'))
FRAMES = 12
LARGEST_ERROR = 1.0  # percent of the path
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


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
    params_file = FOLDER / 'params.yaml'
    params_file.write_text(PARAMETERS)
    arguments = {
        'namespace': 'front',
        'name': 'vo',
        'params_file': str(params_file),
        'weights': 'compact',
        'queue_policy': 'all',
        'odom_frame': 'front_odom',
    }
    node = IncludeLaunchDescription(
        f'{share()}/launch/vo.launch.py', launch_arguments=arguments.items()
    )
    threads = SetEnvironmentVariable('OMP_NUM_THREADS', '1')
    return LaunchDescription([threads, node, launch_testing.actions.ReadyToTest()])


def playing(bag):
    """Return what plays a bag to the node as a launch action."""
    remaps = [f'/camera/{name}:=/front/{to}' for name, to in CAMERA.items()]
    return ExecuteProcess(
        cmd=[
            *(sys.executable, '-m', 'loftr_vo.cli', 'play', str(bag), '--wait', '60'),
            *(word for rule in remaps for word in ('--remap', rule)),
            *('--topics', *(f'/camera/{name}' for name in CAMERA)),
        ],
        output='screen',
    )


CAMERA = {'image_raw': 'image', 'camera_info': 'camera_info'}


class TestRunning(unittest.TestCase):
    seconds = itertools.count(10)

    @classmethod
    def setUpClass(cls):
        rclpy.init()
        cls.node = rclpy.create_node('listener')
        cls.odometry, cls.statuses = [], []
        cls.node.create_subscription(Odometry, '/front/odom', cls.odometry.append, 50)
        cls.node.create_subscription(DiagnosticStatus, '/front/vo/status', cls.statuses.append, 50)
        cls.images = cls.node.create_publisher(Image, '/front/image', 10)
        cls.infos = cls.node.create_publisher(CameraInfo, '/front/camera_info', 10)

    @classmethod
    def tearDownClass(cls):
        cls.node.destroy_node()
        rclpy.shutdown()

    def setUp(self):
        self.odometry.clear()
        self.statuses.clear()
        self.until(lambda: self.statuses, 'status')
        self.until(lambda: self.state() == 'active', 'activation')
        self.until(self.images.get_subscription_count, 'subscription of image')
        self.until(self.infos.get_subscription_count, 'subscription of camera_info')
        # The other side learns of it by itself, and there is no way to see when it has.
        self.spin(1.0)
        self.assertTrue(self.call(Trigger, '/front/vo/reset').success)

    def spin(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rclpy.spin_once(self.node, timeout_sec=0.1)

    def until(self, condition, what):
        deadline = time.monotonic() + 60.0
        while not condition():
            last = self.statuses[-1].message if self.statuses else 'no status'
            self.assertLess(time.monotonic(), deadline, f'no {what}; {last}')
            rclpy.spin_once(self.node, timeout_sec=0.1)

    def call(self, kind, name, request=None):
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, name)
        future = client.call_async(request or kind.Request())
        self.until(future.done, f'answer of {name}')
        return future.result()

    def state(self):
        return self.call(GetState, '/front/vo/get_state').current_state.label

    def show(self, view):
        """Publish a view of the scene, or None for a covered lens; return what came of it."""
        stamp = next(self.seconds) * SECOND
        picture = np.full((HEIGHT, WIDTH), 3, np.uint8) if view is None else sideways_view(view)
        self.infos.publish(camera_info(stamp))
        self.images.publish(image(stamp, picture))
        self.until(lambda: stamp_of(self.odometry) == stamp, f'odometry of view {view}')
        self.until(lambda: str(stamp) in self.states(), 'status')
        return self.odometry[-1], self.states()[str(stamp)]

    def states(self):
        """Return level, state and message of each status about a picture, by its stamp."""
        found = {}
        for status in self.statuses:
            values = {pair.key: pair.value for pair in status.values}
            if 'stamp' in values:
                found.setdefault(values['stamp'], (status.level, values['state'], status.message))
        return found

    def test_states_follow_a_lifecycle_manager(self):
        for transition, state in (
            (Transition.TRANSITION_DEACTIVATE, 'inactive'),
            (Transition.TRANSITION_CLEANUP, 'unconfigured'),
            (Transition.TRANSITION_CONFIGURE, 'inactive'),
            (Transition.TRANSITION_ACTIVATE, 'active'),
        ):
            request = ChangeState.Request(transition=Transition(id=transition))
            self.assertTrue(self.call(ChangeState, '/front/vo/change_state', request).success)
            self.assertEqual(self.state(), state)

    def test_bag_becomes_accurate_odometry(self, launch_service, proc_info, proc_output):
        sequence = SyntheticSequence('room', FRAMES, (240, 320), rate=5.0)
        write_bag(sequence, FOLDER / 'bag', BagOptions())
        listener = OdometryListener(self.node, '/front/vo')
        self.node.create_subscription(Odometry, '/front/odom', listener._on_odometry, 50)
        player = playing(FOLDER / 'bag')
        with launch_process(launch_service, player, proc_info, proc_output):
            self.until(lambda: len(self.odometry) == FRAMES, f'{FRAMES} odometries')
            proc_info.assertWaitForShutdown(process=player, timeout=60.0)
        poses = {heard.stamp: heard.pose for heard in listener.odometry}
        estimated = Trajectory(
            np.array(sorted(poses)), np.array([poses[s] for s in sorted(poses)])
        )
        scores = score_alignment(align(estimated, sequence.ground_truth, False))
        self.assertLess(scores.ate_percent, LARGEST_ERROR)
        self.assertEqual({m.header.frame_id for m in self.odometry}, {'front_odom'})
        self.assertEqual({m.child_frame_id for m in self.odometry}, {'base_link'})

    def test_transform_agrees_with_odom(self):
        try:
            import tf2_ros
        except ImportError:
            self.skipTest('tf2_ros is not installed')
        buffer = tf2_ros.Buffer()
        listening = tf2_ros.TransformListener(buffer, self.node)
        self.until(lambda: self.node.count_publishers('/tf'), 'publisher of /tf')
        odometry = [self.show(view)[0] for view in range(4)][-1]
        stamp = rclpy.time.Time.from_msg(odometry.header.stamp)
        frames = ('front_odom', 'base_link', stamp)
        self.until(lambda: buffer.can_transform(*frames), 'transform')
        found = buffer.lookup_transform(*frames).transform.translation
        np.testing.assert_allclose([found.x, found.y, found.z], place(odometry), atol=1e-9)
        listening.unregister()

    def test_incompatible_quality_of_service_is_named_with_the_fix(self):
        images = self.node.create_publisher(Image, '/front/image', BEST_EFFORT)
        infos = self.node.create_publisher(CameraInfo, '/front/camera_info', BEST_EFFORT)
        fix = 'qos_overrides./front/image.subscription.reliability:=best_effort'
        self.until(
            lambda: any(s.level == ERROR and fix in s.message for s in self.statuses),
            'status that names the fix',
        )
        for publisher in (images, infos):
            self.node.destroy_publisher(publisher)

    def test_lost_behind_a_covered_lens_and_found_again(self):
        seen = [self.show(view) for view in range(6)][-1]
        self.assertEqual(seen[1][1], 'tracking')
        covered = self.show(None)
        self.assertEqual(covered[1][:2], (ERROR, 'lost'))
        self.assertIn('black', covered[1][2])
        self.assertGreater(spread(covered[0]), spread(seen[0]))
        found = [self.show(view) for view in range(6, 9)][-1]
        self.assertEqual(found[1][:2], (OK, 'tracking'))
        # On to the right, which is the negative y of the body.
        self.assertLess(place(found[0])[1], place(seen[0])[1])

    def test_reset_starts_at_the_origin(self):
        moved = [self.show(view)[0] for view in range(4)][-1]
        self.assertGreater(np.linalg.norm(place(moved)), 0.01)
        self.assertTrue(self.call(Trigger, '/front/vo/reset').success)
        np.testing.assert_allclose(place(self.show(4)[0]), 0.0, atol=1e-9)


def stamp_of(odometry):
    if not odometry:
        return None
    stamp = odometry[-1].header.stamp
    return stamp.sec * SECOND + stamp.nanosec


def place(odometry):
    position = odometry.pose.pose.position
    return np.array([position.x, position.y, position.z])


def spread(odometry):
    return np.trace(np.reshape(odometry.pose.covariance, (6, 6)))


@launch_testing.post_shutdown_test()
class TestShutDown(unittest.TestCase):
    def test_every_process_ended_well(self, proc_info):
        assertExitCodes(proc_info)
