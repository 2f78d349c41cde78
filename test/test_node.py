# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node's behaviour with an odometry that the tests control, in one process."""

import errno
import gc
import math
import os
import sys
import threading
import time
import weakref
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticStatus
from forward_odometry import ForwardOdometry
from nav_msgs.msg import Odometry, Path
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import MarkerArray

from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.matching.device import DeviceLostError
from loftr_vo.ros import messages
from loftr_vo.ros.executor import AsideExecutor
from loftr_vo.ros.graph import look_for_publishers
from loftr_vo.ros.health import Feed, Health
from loftr_vo.ros.loading import load_odometry
from loftr_vo.ros.mailbox import Mailbox
from loftr_vo.ros.odometry_node import VisualOdometryNode
from loftr_vo.ros.outputs import Outputs
from loftr_vo.ros.stream import Stream
from loftr_vo.ros.velocity import UNKNOWN

SECOND = 10**9
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class Rig:
    """A node under test and a camera with ears, in one executor."""

    def __init__(self, load=None, **overrides):
        self.odometry = ForwardOdometry()
        self.node = VisualOdometryNode(
            load or (lambda settings, report: self.odometry),
            parameter_overrides=[Parameter(name, value=v) for name, v in overrides.items()],
        )
        self.camera = rclpy.create_node('camera')
        self.images = self.camera.create_publisher(Image, 'image', 50)
        self.infos = self.camera.create_publisher(CameraInfo, 'camera_info', 50)
        self.heard = {}
        self.listen(Odometry, 'odom')
        self.listen(DiagnosticStatus, 'loftr_vo/status')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.camera)

    def listen(self, kind, topic):
        self.heard[topic] = []
        self.camera.create_subscription(kind, topic, self.heard[topic].append, 50)

    def start(self):
        assert self.node.trigger_configure() == SUCCESS
        assert self.node.trigger_activate() == SUCCESS
        self.until(lambda: self.images.get_subscription_count())
        self.until(lambda: self.infos.get_subscription_count())
        self.until(lambda: self.camera.count_publishers('odom'))

    def close(self):
        self.node.abandon()
        self.executor.shutdown()
        self.node.destroy_node()
        self.camera.destroy_node()

    def until(self, condition, timeout=10.0):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f'waited {timeout} s; last {self.last_status()}'
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)

    def send_info(self, **changes):
        info = CameraInfo(width=32, height=24, distortion_model='plumb_bob', d=[0.0] * 5)
        info.k = [30.0, 0.0, 16.0, 0.0, 30.0, 12.0, 0.0, 0.0, 1.0]
        info.header.frame_id = 'camera_optical'
        for name, value in changes.items():
            setattr(info, name, value)
        self.infos.publish(info)

    def send_image(self, stamp, encoding='mono8', size=(24, 32)):
        message = Image(height=size[0], width=size[1], step=size[1], encoding=encoding)
        message.data = bytes(size[0] * size[1])
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND)
        message.header.frame_id = 'camera_optical'
        self.images.publish(message)

    def track(self, stamp):
        """Send a picture and wait for its odometry."""
        self.send_image(stamp)
        self.until(lambda: stamp in self.stamps())

    def stamps(self):
        return [m.header.stamp.sec * SECOND + m.header.stamp.nanosec for m in self.heard['odom']]

    def last_status(self):
        statuses = self.heard['loftr_vo/status']
        return (statuses[-1].level, statuses[-1].message) if statuses else None

    def says(self, level, words):
        """Return a condition: the last status has this level and these words."""

        def condition():
            last = self.last_status()
            return last is not None and last[0] == level and words in last[1]

        return condition

    def value(self, key):
        values = self.heard['loftr_vo/status'][-1].values
        return next(pair.value for pair in values if pair.key == key)

    def save(self, name):
        """Name the file of ~/save_trajectory, call it, and return its answer."""
        self.node.set_parameters([Parameter('trajectory_file', value=name)])
        return self.call(Trigger, 'loftr_vo/save_trajectory', Trigger.Request())

    def call(self, kind, name, request):
        client = self.camera.create_client(kind, name)
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        return future.result()


OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@pytest.fixture
def make_rig():
    rigs = []

    def make(**options):
        rigs.append(Rig(**options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture
def rig(make_rig):
    """Return an active rig whose camera is known."""
    rig = make_rig(queue_policy='all')
    rig.start()
    rig.send_info()
    return rig


def test_picture_becomes_odometry_in_body_axes(rig):
    rig.track(5 * SECOND)
    rig.track(5 * SECOND + SECOND // 2)
    first, second = rig.heard['odom']
    assert (second.header.frame_id, second.child_frame_id) == ('odom', 'base_link')
    assert first.pose.pose.position.x == 0.0
    # The camera went one unit forward in half a second.
    position, linear = second.pose.pose.position, second.twist.twist.linear
    assert (position.x, position.y, position.z) == pytest.approx((1, 0, 0))
    assert (linear.x, linear.y, linear.z) == pytest.approx((2, 0, 0))
    assert np.reshape(second.pose.covariance, (6, 6)).diagonal() == pytest.approx([0.01] * 6)
    # A step of variance 0.02 in 0.5 s.
    assert np.reshape(second.twist.covariance, (6, 6)).diagonal() == pytest.approx([0.08] * 6)


def test_status_of_a_tracked_picture(rig):
    rig.track(SECOND)
    rig.until(rig.says(OK, 'tracking'))
    assert rig.value('state') == 'tracking'
    assert rig.value('inliers') == '1'
    assert rig.value('encoding') == 'mono8'
    assert 0.0 < float(rig.value('latency')) < 5000.0


def test_a_rolling_shutter_is_logged_once(rig, capfd):
    for index, seconds in enumerate((math.nan, 0.0, 0.02, 0.025)):
        rig.odometry.readout_time = seconds
        rig.track((index + 1) * SECOND)
    said = capfd.readouterr().err
    assert said.count('rolling shutter') == 1
    assert 'read in about 20 ms' in said


def test_a_silent_estimate_is_in_the_status_and_published_nowhere(rig):
    rig.track(SECOND)
    rig.odometry.silent = True
    rig.send_image(2 * SECOND)
    rig.until(rig.says(ERROR, 'lost: covered'))
    assert rig.value('stamp') == str(2 * SECOND)
    rig.odometry.silent = False
    rig.track(3 * SECOND)
    assert rig.stamps() == [SECOND, 3 * SECOND]
    # Nobody knows how fast the camera is that was not seen a moment ago.
    twist = rig.heard['odom'][-1].twist
    assert twist.covariance[0] == UNKNOWN
    assert twist.twist.linear.x == 0.0


def test_pictures_that_come_before_camera_info_are_kept(make_rig):
    rig = make_rig(queue_policy='all')
    rig.start()
    for second in range(1, 4):
        rig.send_image(second * SECOND)
    rig.until(rig.says(WARN, 'no camera_info yet'))
    assert rig.stamps() == []
    rig.send_info()
    rig.until(lambda: rig.stamps() == [1 * SECOND, 2 * SECOND, 3 * SECOND])


def latched_publisher(rig):
    """Return a publisher of camera_info that keeps its last message for those who come."""
    rig.camera.destroy_publisher(rig.infos)
    return rig.camera.create_publisher(
        CameraInfo,
        'camera_info',
        QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    )


def test_camera_info_that_was_sent_once_before_activation_is_received(make_rig):
    rig = make_rig(queue_policy='all')
    rig.infos = latched_publisher(rig)
    rig.send_info()
    rig.start()
    rig.track(SECOND)
    assert rig.node._health.camera_info.rate.count == 1
    # And again after the next activation.
    assert rig.node.trigger_deactivate() == SUCCESS
    rig.until(lambda: not rig.infos.get_subscription_count())
    assert rig.node.trigger_activate() == SUCCESS
    rig.until(rig.images.get_subscription_count)
    rig.track(2 * SECOND)


def test_no_durable_camera_info_is_asked_of_those_who_have_none(make_rig, capfd):
    rig = make_rig(queue_policy='all')
    rig.start()
    rig.spin(1.2)
    assert rig.infos.get_subscription_count() == 1
    assert 'incompatible QoS' not in capfd.readouterr().err


def test_nothing_is_said_of_silence_at_the_start_before_its_time(make_rig, capfd):
    rig = make_rig(input_timeout=2.5)
    rig.start()
    rig.spin(1.6)
    assert 'no image yet' not in capfd.readouterr().err
    rig.until(rig.says(WARN, 'no image yet'))
    rig.spin(2.5)
    assert capfd.readouterr().err.count('no image yet') == 1


def test_newest_picture_is_next_and_drops_are_counted(make_rig):
    rig = make_rig()
    rig.odometry.seconds = 0.5
    rig.start()
    rig.send_info()
    rig.until(lambda: rig.node._health.camera_info.rate.silence(time.monotonic()) < 10)
    rig.send_image(1 * SECOND)
    rig.until(lambda: rig.odometry.frames)
    for second in range(2, 7):
        rig.send_image(second * SECOND)
    rig.until(lambda: rig.stamps() == [1 * SECOND, 6 * SECOND])
    rig.until(lambda: rig.value('dropped') == '4')


def test_silence_is_explained(make_rig):
    rig = make_rig()
    rig.until(rig.says(WARN, 'unconfigured: waits to be configured and activated'))
    rig.start()
    words = 'no image yet on /image (reliable, depth 5), though it is published by /camera (reliab'
    rig.until(rig.says(WARN, words))
    rig.camera.destroy_publisher(rig.images)
    rig.until(rig.says(WARN, 'nothing publishes /image'))


def test_silence_names_where_pictures_are(make_rig):
    rig = make_rig()
    rig.camera.destroy_publisher(rig.images)
    rig.camera.destroy_publisher(rig.infos)
    rig.images = rig.camera.create_publisher(Image, 'front/image_raw', 1)
    rig.infos = rig.camera.create_publisher(CameraInfo, 'front/camera_info', 1)
    assert rig.node.trigger_configure() == SUCCESS
    assert rig.node.trigger_activate() == SUCCESS
    # The node's own pictures of its matches are none to be looked at.
    words = (
        'nothing publishes /image (best effort, depth 5); pictures are on /front/image_raw: remap'
    )
    rig.until(rig.says(WARN, words))
    rig.images = rig.camera.create_publisher(Image, 'image', 1)
    rig.until(lambda: asked_for(rig) == [ReliabilityPolicy.RELIABLE])
    rig.until(rig.images.get_subscription_count)
    rig.spin(0.3)  # the count may still be that of the subscription before
    rig.send_image(SECOND)
    rig.until(rig.says(WARN, 'nothing publishes /camera_info'))
    rig.until(rig.says(WARN, 'calibrations are on /front/camera_info: remap camera_info'))


def asked_for(rig):
    """The reliability of each subscription to pictures, as another node sees it."""
    found = rig.camera.get_subscriptions_info_by_topic('image')
    return [each.qos_profile.reliability for each in found]


def test_pictures_are_asked_for_as_reliably_as_all_of_their_publishers_offer(make_rig):
    """A large picture that loses a fragment is lost; but nothing comes of one that offers less."""
    rig = make_rig()
    rig.start()
    assert asked_for(rig) == [ReliabilityPolicy.RELIABLE]
    rig.send_info()
    rig.track(SECOND)
    lossy = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    other = rig.camera.create_publisher(Image, 'image', lossy)
    rig.until(lambda: asked_for(rig) == [ReliabilityPolicy.BEST_EFFORT])
    rig.until(lambda: rig.images.get_subscription_count() and other.get_subscription_count())
    rig.spin(0.3)  # the count may still be that of the subscription before
    rig.track(2 * SECOND)
    rig.until(rig.says(OK, 'tracking'))
    rig.camera.destroy_publisher(other)
    rig.until(lambda: asked_for(rig) == [ReliabilityPolicy.RELIABLE])
    rig.until(rig.images.get_subscription_count)
    rig.spin(0.3)
    rig.track(3 * SECOND)


def test_the_reliability_that_is_set_is_asked_for_whatever_is_offered(make_rig):
    name = 'qos_overrides./image.subscription.reliability'
    rig = make_rig(**{name: 'best_effort'})
    rig.start()
    rig.spin(1.5)
    assert asked_for(rig) == [ReliabilityPolicy.BEST_EFFORT]


def test_a_publisher_whose_node_is_not_known_yet_has_no_odd_name():
    profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    found = SimpleNamespace(
        node_name='_NODE_NAME_UNKNOWN_',
        node_namespace='_NODE_NAMESPACE_UNKNOWN_',
        topic_type='sensor_msgs/msg/Image',
        qos_profile=profile,
    )
    node = SimpleNamespace(get_publishers_info_by_topic=lambda topic: [found])
    feed = Feed('/image', kind='sensor_msgs/msg/Image')
    look_for_publishers(node, feed)
    assert feed.publishers == ('a node not known yet (best effort)',)


def test_camera_that_stops_is_reported(make_rig):
    rig = make_rig(input_timeout=0.3)
    rig.start()
    rig.send_info()
    rig.track(SECOND)
    rig.until(rig.says(ERROR, 'no image on /image for'))
    rig.camera.destroy_publisher(rig.images)
    rig.until(rig.says(ERROR, 'nothing publishes it any more'))


def test_overload_is_said_with_figures(make_rig):
    rig = make_rig()
    rig.odometry.seconds = 0.3
    rig.start()
    rig.send_info()
    sent = 0
    deadline = time.monotonic() + 10.0
    while not rig.says(WARN, 'overloaded: ')() and time.monotonic() < deadline:
        sent += 1
        rig.send_image(sent * SECOND // 30)
        rig.spin(1 / 30)
    assert 'pictures a second are worked on' in rig.last_status()[1]
    assert float(rig.value('input_rate')) > 2 * float(rig.value('output_rate'))


@pytest.mark.parametrize(
    ('image', 'words'),
    [
        ({'encoding': 'h265'}, "'h265' is not supported"),
        ({'size': (10, 20)}, 'the calibration is for 32x24'),
        ({'size': (1, 1)}, 'the picture is 1x1'),
        ({'encoding': 'rgb8'}, 'step is 32'),
    ],
)
def test_bad_picture_is_a_diagnostic_and_the_next_is_tracked(rig, image, words):
    rig.send_image(SECOND, **image)
    rig.until(rig.says(ERROR, words))
    rig.track(2 * SECOND)
    rig.until(rig.says(OK, 'tracking'))


def test_uncalibrated_camera_is_a_diagnostic_until_it_is_calibrated(make_rig):
    rig = make_rig(queue_policy='all')
    rig.start()
    rig.send_info(k=[0.0] * 9)
    rig.send_image(SECOND)
    rig.until(rig.says(ERROR, 'K is all zero'))
    rig.send_info()
    rig.until(lambda: rig.stamps() == [SECOND])


def test_new_calibration_is_taken_over(rig):
    rig.track(SECOND)
    rig.send_info(k=[60.0, 0.0, 16.0, 0.0, 60.0, 12.0, 0.0, 0.0, 1.0])
    rig.spin(0.2)
    rig.track(2 * SECOND)
    assert [frame.camera.focal for frame in rig.odometry.frames] == [30.0, 60.0]
    assert rig.odometry.resets == 0


def test_new_size_of_picture_is_taken_over_with_its_calibration(rig):
    rig.track(SECOND)
    rig.send_info(binning_x=2, binning_y=2)
    rig.spin(0.2)
    rig.send_image(2 * SECOND, size=(12, 16))
    rig.until(lambda: 2 * SECOND in rig.stamps())
    camera = rig.odometry.frames[-1].camera
    assert (camera.width, camera.height, camera.focal) == (16, 12, 15.0)


def test_quality_of_service_that_does_not_exist_is_said_and_harms_nothing(make_rig):
    name = 'qos_overrides./camera_info.subscription.reliability'
    rig = make_rig(**{name: 'sometimes'})
    assert rig.node.trigger_configure() == SUCCESS
    before = len(list(rig.node.subscriptions))
    assert rig.node.trigger_activate() == FAILURE
    rig.until(
        rig.says(ERROR, f"activating failed: {name} is 'sometimes'; it can be: best_available, ")
    )
    assert len(list(rig.node.subscriptions)) == before


def test_failing_frame_is_reported_and_the_next_is_tracked(rig):
    rig.odometry.fail_at = (2 * SECOND,)
    rig.track(1 * SECOND)
    rig.send_image(2 * SECOND)
    rig.until(rig.says(ERROR, 'RuntimeError: this picture hurts'))
    rig.track(3 * SECOND)
    rig.until(rig.says(OK, 'tracking'))
    assert rig.stamps() == [1 * SECOND, 3 * SECOND]


@pytest.mark.parametrize('late', [10 * SECOND, 10 * SECOND - SECOND // 2])
def test_duplicate_and_late_stamps_are_refused_and_counted(rig, late):
    rig.track(10 * SECOND)
    rig.send_image(late)
    rig.until(rig.says(WARN, 'picture refused'))
    assert rig.value('refused') == '1'
    rig.track(11 * SECOND)
    assert rig.stamps() == [10 * SECOND, 11 * SECOND]
    assert rig.odometry.resets == 0


def test_looping_bag_starts_anew(rig):
    rig.track(10 * SECOND)
    rig.track(11 * SECOND)
    # Two pictures may be wrong; the third agrees with both.
    for second in (1, 2):
        rig.send_image(second * SECOND)
        rig.until(lambda: rig.value('refused') == str(second))  # noqa: B023 asked at once
    rig.track(3 * SECOND)
    assert rig.odometry.resets == 1
    assert rig.heard['odom'][-1].pose.pose.position.x == 0.0


@pytest.mark.parametrize('wrong', [2_000_000 * SECOND, 1])
def test_one_picture_of_another_time_is_refused_and_the_next_goes_on(rig, wrong):
    rig.track(10 * SECOND)
    rig.send_image(wrong)
    rig.until(rig.says(WARN, 'picture refused'))
    rig.track(11 * SECOND)
    rig.until(rig.says(OK, 'tracking'))
    assert rig.value('refused') == '1'
    assert rig.odometry.resets == 0
    assert rig.stamps() == [10 * SECOND, 11 * SECOND]


def test_a_focal_length_that_no_camera_has_is_named_and_counted(rig):
    rig.track(SECOND)
    rig.send_info(k=[1e155, 0.0, 16.0, 0.0, 1e155, 12.0, 0.0, 0.0, 1.0])
    rig.until(rig.says(ERROR, 'no camera of 32x24 pixels'))
    assert rig.value('implausible') == 'camera_info 1'
    rig.send_info()
    rig.track(2 * SECOND)
    rig.until(rig.says(OK, 'tracking'))


def test_clock_that_jumps_back_a_little_starts_anew(make_rig):
    rig = make_rig(queue_policy='all', use_sim_time=True)
    clock = rig.camera.create_publisher(Clock, '/clock', 1)

    def set_clock(nanoseconds):
        clock.publish(Clock(clock=messages.header(nanoseconds, '').stamp))
        rig.until(lambda: rig.node.get_clock().now().nanoseconds == nanoseconds)

    rig.until(clock.get_subscription_count)
    rig.start()
    rig.send_info()
    set_clock(10 * SECOND)
    rig.track(10 * SECOND)
    set_clock(10 * SECOND + SECOND // 2)
    rig.track(10 * SECOND + SECOND // 2)
    # By less than what a late picture may have: without the clock it would be refused.
    set_clock(10 * SECOND + SECOND // 10)
    rig.track(10 * SECOND + SECOND // 10)
    assert rig.odometry.resets == 1
    assert rig.heard['odom'][-1].pose.pose.position.x == 0.0
    assert rig.value('refused') == '0'
    # And only the first time.
    rig.send_image(10 * SECOND)
    rig.until(rig.says(WARN, 'picture refused'))
    assert rig.odometry.resets == 1


def test_a_jump_of_the_clock_is_forgotten_when_time_has_made_up_for_it(make_rig):
    rig = make_rig(queue_policy='all')
    rig.start()
    rig.send_info()
    rig.track(100 * SECOND)
    rig.node._pipeline.stream.expect_jump()
    for stamp in (101 * SECOND, 102 * SECOND, 103 * SECOND):
        rig.track(stamp)
    # Later, a picture that is 10 ms late is late and nothing else.
    rig.send_image(103 * SECOND - 10**7)
    rig.until(rig.says(WARN, 'picture refused'))
    assert rig.odometry.resets == 0


def test_reset_service_starts_anew(rig):
    rig.track(1 * SECOND)
    rig.track(2 * SECOND)
    assert rig.call(Trigger, 'loftr_vo/reset', Trigger.Request()).success
    rig.track(3 * SECOND)
    assert rig.odometry.resets == 1
    assert rig.heard['odom'][-1].pose.pose.position.x == 0.0


def test_pause_service_lets_pictures_pass(rig):
    rig.track(1 * SECOND)
    assert rig.call(SetBool, 'loftr_vo/pause', SetBool.Request(data=True)).success
    rig.send_image(2 * SECOND)
    rig.until(rig.says(WARN, 'paused'))
    assert rig.call(SetBool, 'loftr_vo/pause', SetBool.Request(data=False)).success
    rig.track(3 * SECOND)
    assert rig.stamps() == [1 * SECOND, 3 * SECOND]


@pytest.fixture
def saving_rig(make_rig, tmp_path):
    """Return an active rig that saves into ``tmp_path``."""
    rig = make_rig(queue_policy='all', trajectory_folder=str(tmp_path))
    rig.start()
    rig.send_info()
    return rig


@pytest.mark.parametrize('absolute', [False, True])
def test_trajectory_is_saved_in_optical_axes(saving_rig, tmp_path, absolute):
    rig = saving_rig
    rig.track(1 * SECOND)
    rig.track(2 * SECOND)
    file = tmp_path / 'path.txt'
    reply = rig.save(str(file) if absolute else 'path.txt')
    assert reply.success, reply.message
    assert str(file) in reply.message
    saved = Trajectory.read_tum(file)
    assert list(saved.stamps) == [1 * SECOND, 2 * SECOND]
    np.testing.assert_allclose(saved.positions, [[0, 0, 0], [0, 0, 1]])


def test_trajectory_that_cannot_be_written_is_said(saving_rig, tmp_path):
    saving_rig.track(SECOND)
    reply = saving_rig.save('absent/path.txt')
    assert not reply.success
    assert str(tmp_path / 'absent') in reply.message


@pytest.mark.parametrize(
    ('file', 'words'),
    [('', 'not a file in'), ('~nobody-of-that-name/x', 'home'), ('a\0b', 'null')],
)
def test_impossible_file_is_said_and_harms_nothing(saving_rig, file, words):
    saving_rig.track(SECOND)
    reply = saving_rig.save(file)
    assert not reply.success
    assert words in reply.message
    assert 'see trajectory_file' in reply.message


def test_a_file_of_another_kind_or_outside_the_folder_is_left_alone(saving_rig, tmp_path):
    saving_rig.track(SECOND)
    (tmp_path / 'notes.txt').write_text('my notes')
    reply = saving_rig.save('notes.txt')
    assert not reply.success
    assert 'is no trajectory' in reply.message
    assert (tmp_path / 'notes.txt').read_text() == 'my notes'
    outside = tmp_path.parent / f'{tmp_path.name}-outside.txt'
    (tmp_path / 'link').symlink_to(outside)
    for name in (f'../{outside.name}', str(outside), 'link'):
        reply = saving_rig.save(name)
        assert not reply.success
        assert 'written only there' in reply.message
    assert not outside.exists()
    # One of its own kind is replaced.
    assert saving_rig.save('path.txt').success
    saving_rig.track(2 * SECOND)
    assert saving_rig.save('path.txt').success
    assert len(Trajectory.read_tum(tmp_path / 'path.txt')) == 2


@pytest.mark.parametrize('what', ['fifo', 'folder', 'device'])
def test_what_is_no_file_is_refused_at_once(saving_rig, tmp_path, what):
    saving_rig.track(SECOND)
    path = tmp_path / 'path.txt'
    if what == 'fifo':
        os.mkfifo(path)
    elif what == 'folder':
        path.mkdir()
    else:
        path.symlink_to('/dev/full')
    start = time.monotonic()
    reply = saving_rig.save('path.txt')
    assert time.monotonic() - start < 5.0
    assert not reply.success
    saving_rig.track(2 * SECOND)


def test_a_full_disk_keeps_the_trajectory_that_was_saved_before(saving_rig, tmp_path, monkeypatch):
    saving_rig.track(SECOND)
    assert saving_rig.save('path.txt').success
    saving_rig.track(2 * SECOND)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', full)
    reply = saving_rig.save('path.txt')
    monkeypatch.undo()
    assert not reply.success
    assert 'No space left' in reply.message
    assert len(Trajectory.read_tum(tmp_path / 'path.txt')) == 1
    assert [path.name for path in tmp_path.iterdir()] == ['path.txt']


def test_a_disk_that_hangs_holds_nothing_up(saving_rig, tmp_path, monkeypatch):
    rig = saving_rig
    rig.executor.remove_node(rig.node)
    rig.executor.remove_node(rig.camera)
    rig.executor = AsideExecutor(rig.node.transitions)
    rig.executor.add_node(rig.node)
    rig.executor.add_node(rig.camera)
    rig.track(SECOND)
    disk, fsync = threading.Event(), os.fsync

    def hang(descriptor):
        disk.wait(20.0)
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', hang)
    rig.node.set_parameters([Parameter('trajectory_file', value='path.txt')])
    client = rig.camera.create_client(Trigger, 'loftr_vo/save_trajectory')
    rig.until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    rig.until(lambda: list(tmp_path.iterdir()))
    rig.track(2 * SECOND)
    second = rig.call(Trigger, 'loftr_vo/save_trajectory', Trigger.Request())
    assert not second.success
    assert 'already' in second.message
    assert not future.done()
    disk.set()
    rig.until(future.done)
    assert future.result().success
    assert len(Trajectory.read_tum(tmp_path / 'path.txt')) == 1


def test_nothing_to_save_is_said_and_no_file_is_written(saving_rig, tmp_path):
    reply = saving_rig.save('path.txt')
    assert not reply.success
    assert 'nothing to save' in reply.message
    assert not (tmp_path / 'path.txt').exists()


def test_reset_of_an_inactive_node_is_refused(make_rig):
    rig = make_rig()
    assert rig.node.trigger_configure() == SUCCESS
    reply = rig.call(Trigger, 'loftr_vo/reset', Trigger.Request())
    assert not reply.success
    assert 'not active' in reply.message


def test_debug_outputs_come_to_whom_subscribes(rig):
    topics = {
        'loftr_vo/path': Path,
        'loftr_vo/matches': MarkerArray,
        'loftr_vo/match_image': Image,
        'loftr_vo/points': PointCloud2,
    }
    for topic, kind in topics.items():
        rig.listen(kind, topic)
    rig.until(lambda: all(rig.node.count_subscribers(f'/{topic}') for topic in topics))
    rig.spin(0.3)
    rig.track(1 * SECOND)
    rig.track(2 * SECOND)
    rig.until(lambda: all(len(rig.heard[topic]) == 2 for topic in topics))
    path = rig.heard['loftr_vo/path'][-1]
    assert path.header.frame_id == 'odom'
    assert [pose.pose.position.x for pose in path.poses] == [0.0, 1.0]
    assert path.poses[0].header.frame_id == 'odom'
    # The picture is what the camera sees; the points are where the path is.
    assert rig.heard['loftr_vo/match_image'][-1].header.frame_id == 'camera_optical'
    assert rig.heard['loftr_vo/points'][-1].header.frame_id == 'odom'
    point = np.frombuffer(rig.heard['loftr_vo/points'][-1].data, np.float32)
    # Five units before the camera is five units along x.
    np.testing.assert_allclose(point, [5, 0, 0, 1], atol=1e-6)


def test_runtime_parameter_reaches_the_odometry(rig):
    result = rig.node.set_parameters([Parameter('matcher.threshold', value=0.5)])[0]
    assert result.successful
    rig.track(SECOND)
    assert rig.odometry.settings.matcher.threshold == 0.5


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('matcher.threshold', 1.5, 'out of range'),
        ('matcher.threshold', float('nan'), 'threshold'),
        ('matcher.threshold', 'high', 'type'),
        ('matcher.weights', 'outdoor', 'read-only'),
    ],
)
def test_bad_parameter_change_is_refused_with_the_reason(rig, name, value, words):
    result = rig.node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful
    assert words in result.reason


def test_missing_model_leaves_the_node_up_and_saying_so(make_rig):
    def load(settings, report):
        raise ValueError('there are no weights called compact2')

    rig = make_rig(load=load)
    assert rig.node.trigger_configure() == SUCCESS
    assert rig.node.trigger_activate() == FAILURE
    rig.until(rig.says(ERROR, 'activating failed: there are no weights called compact2'))


def test_extrinsics_without_tf2_are_a_fault(make_rig, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tf2_ros', None)
    rig = make_rig(base_frame='base_link')
    assert rig.node.trigger_configure() == FAILURE
    rig.until(rig.says(ERROR, 'base_frame needs tf2_ros'))


@pytest.mark.parametrize(
    ('invert', 'frames', 'x'),
    [(False, ('odom', 'base_link'), 1.0), (True, ('base_link', 'odom'), -1.0)],
)
def test_transform_is_broadcast_with_the_stamp_of_the_picture(
    make_rig, transforms, invert, frames, x
):
    rig = make_rig(queue_policy='all', invert_tf=invert)
    rig.start()
    rig.send_info()
    rig.track(1 * SECOND)
    rig.track(2 * SECOND)
    transform = transforms.sent[-1]
    assert (transform.header.frame_id, transform.child_frame_id) == frames
    assert transform.header.stamp.sec == 2
    assert transform.transform.translation.x == x


def test_no_transform_where_another_node_broadcasts_it(make_rig, transforms):
    rig = make_rig(queue_policy='all', publish_tf=False)
    rig.start()
    rig.send_info()
    rig.track(SECOND)
    assert transforms.sent == []


def test_extrinsics_are_waited_for_and_used(make_rig, transforms, capfd):
    rig = make_rig(queue_policy='all', base_frame='base_link')
    rig.start()
    rig.send_info()
    rig.send_image(1 * SECOND)
    words = (
        "waits for the transform from base_link to 'camera_optical': camera_optical does not "
        'exist; publish it'
    )
    rig.until(rig.says(WARN, words))
    # The camera looks backwards, from one unit behind the base.
    transforms.buffer.mounted = np.array(
        [[0.0, 0, -1, -1], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]
    )
    rig.track(2 * SECOND)
    assert rig.stamps() == [1 * SECOND, 2 * SECOND]
    position = rig.heard['odom'][-1].pose.pose.position
    assert (position.x, position.y, position.z) == pytest.approx((-1, 0, 0))
    assert 'in base_link and looks backward' in capfd.readouterr().err


def test_pictures_in_a_body_s_frame_are_doubted(make_rig, transforms, capfd):
    rig = make_rig(queue_policy='all', base_frame='base_link')
    transforms.buffer.mounted = np.eye(4)
    rig.start()
    rig.send_info()
    rig.track(SECOND)
    told = capfd.readouterr().err
    assert 'and looks up' in told
    assert 'set frame_id in the driver to the optical frame' in told


def test_compressed_pictures_come_from_their_topic(make_rig):
    rig = make_rig(queue_policy='all', image_transport='compressed')
    compressed = rig.camera.create_publisher(CompressedImage, 'image/compressed', 10)
    assert rig.node.trigger_configure() == SUCCESS
    assert rig.node.trigger_activate() == SUCCESS
    rig.until(compressed.get_subscription_count)
    rig.until(rig.infos.get_subscription_count)
    rig.until(lambda: rig.camera.count_publishers('odom'))
    rig.send_info()
    data = cv2.imencode('.jpg', np.zeros((24, 32), np.uint8))[1].tobytes()
    message = CompressedImage(format='jpeg', data=data)
    message.header.stamp.sec = 1
    compressed.publish(message)
    rig.until(lambda: rig.stamps() == [SECOND])


def test_status_comes_in_simulated_time_without_a_clock(make_rig):
    rig = make_rig(use_sim_time=True)
    rig.start()
    rig.until(rig.says(WARN, 'no image yet'))
    rig.send_info()
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'use_sim_time is set, but nothing publishes /clock'))


def test_pose_outlives_deactivation_and_network_is_freed_by_cleanup(rig):
    rig.track(1 * SECOND)
    assert rig.node.trigger_deactivate() == SUCCESS
    rig.until(rig.says(WARN, 'inactive'))
    rig.until(lambda: not rig.images.get_subscription_count())
    assert rig.node.trigger_activate() == SUCCESS
    rig.until(lambda: rig.images.get_subscription_count())
    rig.until(lambda: rig.infos.get_subscription_count())
    rig.send_info()
    rig.track(2 * SECOND)
    assert rig.heard['odom'][-1].pose.pose.position.x == 1.0
    assert rig.node.trigger_deactivate() == SUCCESS
    assert rig.node.trigger_cleanup() == SUCCESS
    assert rig.node._pipeline.odometry is None
    rig.until(lambda: not rig.camera.count_publishers('odom'))
    rig.start()
    rig.send_info()
    rig.track(3 * SECOND)


def test_nothing_of_the_network_outlives_cleanup(make_rig):
    rig = make_rig(load=lambda settings, report: ForwardOdometry())
    rig.start()
    rig.send_info()
    rig.track(SECOND)
    network = weakref.ref(rig.node._pipeline.odometry)
    assert rig.node.trigger_deactivate() == SUCCESS
    assert network() is not None
    assert rig.node.trigger_cleanup() == SUCCESS
    gc.collect()
    assert network() is None


@pytest.mark.gpu
def test_cleanup_frees_the_gpu(make_rig):
    import torch

    torch.zeros(1, device='cuda')
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    name = 'matcher.device'
    rig = make_rig(load=load_odometry, **{name: 'cuda'})
    assert rig.node.trigger_configure() == SUCCESS
    assert rig.node.trigger_activate() == SUCCESS
    assert torch.cuda.memory_allocated() > before
    assert rig.node.trigger_deactivate() == SUCCESS
    assert rig.node.trigger_cleanup() == SUCCESS
    gc.collect()
    assert torch.cuda.memory_allocated() == before


def test_repeated_cycles_leave_nothing_behind(make_rig):
    rig = make_rig(load=lambda settings, report: ForwardOdometry())

    def cycle(number):
        rig.start()
        rig.send_info()
        rig.track(number * SECOND)
        assert rig.node.trigger_deactivate() == SUCCESS
        assert rig.node.trigger_cleanup() == SUCCESS

    def inventory():
        gc.collect()
        node = rig.node
        counts = [len(list(of)) for of in (node.publishers, node.subscriptions, node.services)]
        kinds = (ForwardOdometry, Stream, Mailbox, Outputs, Health)
        alive = [sum(isinstance(thing, kind) for thing in gc.get_objects()) for kind in kinds]
        return counts, alive, len(node._managed_entities), threading.active_count()

    cycle(1)
    first = inventory()
    for number in range(2, 6):
        cycle(number)
    assert inventory() == first


def test_disorder_on_the_way_down_ends_unconfigured_and_said(make_rig, monkeypatch):
    rig = make_rig()
    rig.start()

    def refuse(self):
        monkeypatch.undo()
        raise RuntimeError('the stream does not close')

    monkeypatch.setattr(Stream, 'close', refuse)
    assert rig.node.trigger_deactivate() == TransitionCallbackReturn.ERROR
    assert rig.node._state_machine.current_state[1] == 'unconfigured'
    rig.until(rig.says(ERROR, 'deactivating failed: the stream does not close'))
    rig.start()
    rig.send_info()
    rig.track(SECOND)
    rig.until(rig.says(OK, 'tracking'))


def test_lost_device_stops_the_work_until_reset(make_rig):
    rig = make_rig(queue_policy='all', load=lambda settings, report: rig.odometry)
    rig.start()
    rig.send_info()
    rig.odometry.fail_at = (2 * SECOND,)
    rig.odometry.error = DeviceLostError('cuda:0 failed: CUDA error.')
    rig.track(1 * SECOND)
    rig.send_image(2 * SECOND)
    rig.until(rig.says(ERROR, 'cuda:0 failed: CUDA error. To go on, call ~/reset'))
    rig.send_image(3 * SECOND)
    rig.spin(0.2)
    assert len(rig.odometry.frames) == 2
    rig.odometry = ForwardOdometry()
    assert rig.call(Trigger, 'loftr_vo/reset', Trigger.Request()).success
    rig.until(lambda: rig.images.get_subscription_count())
    rig.send_info()
    rig.track(4 * SECOND)
    rig.until(rig.says(OK, 'tracking'))


def test_shutdown_ends_the_stream(rig):
    rig.track(SECOND)
    assert rig.node.trigger_shutdown() == SUCCESS
    rig.until(lambda: not rig.images.get_subscription_count())
    rig.until(rig.says(WARN, 'finalized'))
