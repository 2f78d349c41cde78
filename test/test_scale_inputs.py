# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the scale needs, over DDS to the node: matched by stamp, checked, and missed aloud."""

import math
import threading
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from exact_world import ExactMatcher, camera, pose
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from sensor_msgs.msg import CameraInfo, Image
from test_node import ERROR, OK, SECOND, WARN, Rig

from loftr_vo.config import replace
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.imaging.approximate_time import StampMatcher
from loftr_vo.odometry import VisualOdometry
from loftr_vo.ros import messages

MILLISECOND = 10**6
STEP = 0.06


# --- matching by stamp


def test_the_nearest_item_within_the_tolerance_is_taken():
    matcher = StampMatcher(20, 10)
    for stamp in (100, 130, 160):
        matcher.put(stamp, f'at {stamp}')
    assert matcher.take(140) == 'at 130'
    assert matcher.take(500) is None
    assert matcher.apart == 340


def test_it_waits_for_what_is_nearer_and_no_longer():
    matcher = StampMatcher(20 * MILLISECOND, 10)
    matcher.put(90 * MILLISECOND, 'before')
    threading.Timer(0.1, matcher.put, (100 * MILLISECOND, 'exact')).start()
    start = time.monotonic()
    assert matcher.take(100 * MILLISECOND, patience=10.0) == 'exact'
    assert time.monotonic() - start < 5.0


def test_patience_ends():
    matcher = StampMatcher(20 * MILLISECOND, 10)
    matcher.put(90 * MILLISECOND, 'before')
    assert matcher.take(100 * MILLISECOND, patience=0.05) == 'before'
    assert StampMatcher(1, 1).take(0, patience=0.01) is None


def test_closing_ends_the_waiting():
    matcher = StampMatcher(1, 1)
    threading.Timer(0.05, matcher.close).start()
    assert matcher.take(0, patience=30.0) is None


def test_a_clock_that_is_set_back_forgets_what_was():
    matcher = StampMatcher(20, 10)
    matcher.put(1000, 'before')
    matcher.put(10, 'after')
    assert matcher.take(10) == 'after'
    assert matcher.take(1000) is None


# --- the node's inputs


class ScaleRig(Rig):
    """A rig that also publishes what the scale needs."""

    def __init__(self, source, load=None, **overrides):
        super().__init__(load, **{'queue_policy': 'all', 'scale.source': source, **overrides})
        create = self.camera.create_publisher
        self.depths = create(Image, 'depth', 50)
        self.rights = create(Image, 'right/image', 50)
        self.right_infos = create(CameraInfo, 'right/camera_info', 50)
        self.wheels = create(Odometry, 'scale_odom', 50)
        self.mounted = []
        self.odometry.mount = self.mounted.append

    def start(self):
        super().start()
        topics = {'depth': [self.depths], 'stereo': [self.rights, self.right_infos]}
        for publisher in {'odometry': [self.wheels], **topics}.get(self.source, []):
            self.until(publisher.get_subscription_count)
        self.send_info(r=np.eye(3).ravel().tolist())

    @property
    def source(self):
        return self.node.settings.scale.source

    def send_depth(self, stamp, depth, encoding='16UC1'):
        kind = np.uint16 if encoding == '16UC1' else np.float32
        self.depths.publish(picture(stamp, depth.astype(kind), encoding))

    def send_wheels(self, stamp, x, child='base_link'):
        message = Odometry(child_frame_id=child)
        message.header = messages.header(stamp, 'odom')
        message.pose.pose.position.x = x
        self.wheels.publish(message)

    def last_frame(self):
        return self.odometry.frames[-1]


def picture(stamp, pixels, encoding):
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.step = pixels.shape[1] * pixels.itemsize
    message.data = pixels.tobytes()
    message.header = messages.header(stamp, 'camera_optical')
    return message


@pytest.fixture
def make_rig():
    rigs = []

    def make(*words, **options):
        rigs.append(ScaleRig(*words, **options))
        rigs[-1].start()
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def test_nothing_is_subscribed_without_a_source(make_rig):
    rig = make_rig('camera_height', **{'scale.camera_height': 1.0})
    for topic in ('depth', 'right/image', 'right/camera_info', 'scale_odom'):
        assert rig.camera.count_subscribers(topic) == 0
    rig.track(SECOND)
    # Which way is down, the extrinsics tell.
    assert np.allclose(rig.mounted[0], BODY_FROM_OPTICAL)


@pytest.mark.parametrize(('encoding', 'factor'), [('16UC1', 1000), ('32FC1', 1)])
def test_depth_comes_with_its_picture_in_metres(make_rig, encoding, factor):
    rig = make_rig('depth')
    metres = np.full((12, 16), 2.5)
    metres[0, 0] = 0.0
    rig.send_depth(SECOND - 5 * MILLISECOND, metres * factor, encoding)
    rig.track(SECOND)
    assert rig.last_frame().depth == pytest.approx(metres)


def test_depth_that_comes_a_little_later_is_waited_for(make_rig):
    rig = make_rig('depth')
    rig.send_depth(SECOND, np.full((12, 16), 1000))
    rig.track(SECOND)
    rig.send_image(2 * SECOND)
    rig.send_depth(2 * SECOND, np.full((12, 16), 3000))
    rig.until(lambda: 2 * SECOND in rig.stamps())
    assert rig.last_frame().depth[0, 0] == pytest.approx(3.0)


def test_how_late_a_depth_image_is_comes_with_it(make_rig):
    rig = make_rig('depth')
    rig.send_depth(SECOND - 7 * MILLISECOND, np.full((12, 16), 1000))
    rig.track(SECOND)
    assert rig.last_frame().depth_lag == -7 * MILLISECOND


def test_depth_of_another_time_is_reported_and_not_taken(make_rig):
    rig = make_rig('depth')
    rig.send_depth(SECOND - 100 * MILLISECOND, np.full((12, 16), 1000))
    rig.send_depth(SECOND + 70 * MILLISECOND, np.full((12, 16), 1000))
    rig.track(SECOND)
    assert rig.last_frame().depth is None
    rig.until(rig.says(WARN, 'the nearest depth image is 70.0 ms from its picture'))


def test_a_calibration_of_the_right_camera_that_was_sent_once_is_received():
    rig = ScaleRig('stereo')
    try:
        rig.camera.destroy_publisher(rig.right_infos)
        quality = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        rig.right_infos = rig.camera.create_publisher(CameraInfo, 'right/camera_info', quality)
        rig.right_infos.publish(right_info())
        rig.start()
        rig.until(lambda: 'right' in rig.node._pipeline.stream._scale_inputs._infos)
    finally:
        rig.close()


def test_poses_of_the_wheels_without_pictures_do_not_fill_the_memory(make_rig):
    rig = make_rig('odometry')
    inputs = rig.node._pipeline.stream._scale_inputs
    message = Odometry(child_frame_id='base_link')
    message.pose.pose.orientation.w = 1.0
    for _ in range(7000):
        inputs._on_odometry(message)
    assert len(inputs._wheels) <= 5000


def test_frames_of_the_wheels_that_change_each_time_are_logged_once(make_rig, capfd):
    rig = make_rig('odometry', base_frame='base_link', lookup_extrinsics=False)
    for number in range(50):
        rig.send_wheels(number * MILLISECOND, 0.0, child=f'frame{number}')
        rig.spin(0.005)
    assert capfd.readouterr().err.count('two go different ways') == 1


def test_depth_that_never_comes_is_reported(make_rig):
    rig = make_rig('depth')
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'no depth yet on /depth'))


def test_depth_in_an_unknown_encoding_is_reported(make_rig):
    rig = make_rig('depth')
    rig.depths.publish(picture(SECOND, np.zeros((4, 4), np.uint8), 'mono8'))
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'mono8'))


def test_the_right_picture_comes_with_the_baseline(make_rig):
    rig = make_rig('stereo')
    rig.right_infos.publish(right_info())
    rig.rights.publish(picture(SECOND, np.full((24, 32), 7, np.uint8), 'mono8'))
    rig.until(lambda: 'right' in rig.node._pipeline.stream._scale_inputs._infos)
    rig.track(SECOND)
    right = rig.last_frame().right
    assert right.image.shape == (24, 32)
    assert right.right_from_left[:3, 3] == pytest.approx([-0.25, 0.0, 0.0])
    assert np.allclose(right.right_from_left[:3, :3], np.eye(3))


def test_a_right_camera_without_a_baseline_is_reported(make_rig):
    rig = make_rig('stereo')
    info = right_info()
    info.p[3] = 0.0
    rig.right_infos.publish(info)
    rig.rights.publish(picture(SECOND, np.zeros((24, 32), np.uint8), 'mono8'))
    rig.until(lambda: 'right' in rig.node._pipeline.stream._scale_inputs._infos)
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'has no baseline'))


def right_info():
    matrix = [30.0, 0.0, 16.0, 0.0, 30.0, 12.0, 0.0, 0.0, 1.0]
    return CameraInfo(
        width=32,
        height=24,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=matrix,
        r=np.eye(3).ravel(),
        p=np.column_stack([np.reshape(matrix, (3, 3)), [-30.0 * 0.25, 0.0, 0.0]]).ravel(),
    )


@pytest.mark.parametrize('huge', [1e155, -1e300, math.inf, math.nan])
def test_a_pose_that_no_robot_has_is_refused_named_and_counted(make_rig, huge):
    rig = make_rig('odometry')
    rig.track(SECOND)
    rig.send_wheels(SECOND, 0.5)
    rig.send_wheels(SECOND + MILLISECOND, huge)
    rig.until(rig.says(WARN, 'the last pose on scale_odom is none'))
    rig.track(2 * SECOND)
    assert [each.pose[0, 3] for each in rig.last_frame().wheels] == [0.5]
    rig.until(lambda: rig.value('implausible') == 'pose on scale_odom 1')


def test_poses_of_the_other_odometry_without_pictures_do_not_pile_up(make_rig):
    rig = make_rig('odometry')
    inputs = rig.node._pipeline.stream._scale_inputs
    message = Odometry(child_frame_id='base_link')
    message.pose.pose.orientation.w = 1.0
    for index in range(6000):
        message.header.stamp.nanosec = index
        inputs._on_odometry(message)
    rig.track(SECOND)
    assert [each.stamp for each in rig.last_frame().wheels] == list(range(1000, 6000))


def test_every_pose_of_the_other_odometry_comes_with_some_picture(make_rig):
    rig = make_rig('odometry')
    for index in range(5):
        rig.send_wheels(SECOND + index * 20 * MILLISECOND, 0.1 * index)
    rig.until(lambda: rig.node._health.scale_feeds['scale_odom'].rate.hertz(time.monotonic()))
    rig.track(SECOND)
    rig.send_wheels(2 * SECOND, 9.0)
    rig.spin(0.2)
    rig.track(2 * SECOND)
    seen = [each for frame in rig.odometry.frames for each in frame.wheels]
    assert [each.pose[0, 3] for each in seen] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 9.0])
    assert seen[-1].stamp == 2 * SECOND
    assert np.allclose(rig.mounted, BODY_FROM_OPTICAL)


@pytest.mark.parametrize('source', ['none', 'depth'])
def test_another_odometry_is_subscribed_to_for_losses_alone(make_rig, source):
    rig = make_rig(source, **{'recovery.policy': 'odometry'})
    rig.until(rig.wheels.get_subscription_count)
    rig.send_wheels(SECOND, 0.5)
    rig.until(lambda: rig.node._health.scale_feeds['scale_odom'].rate.hertz(time.monotonic()) >= 0)
    rig.spin(0.2)
    if source == 'depth':
        rig.send_depth(SECOND, np.full((12, 16), 1000))
    rig.track(SECOND)
    assert [each.pose[0, 3] for each in rig.last_frame().wheels] == [0.5]
    assert (rig.last_frame().depth is not None) == (source == 'depth')
    assert np.allclose(rig.mounted, BODY_FROM_OPTICAL)


def test_it_is_subscribed_to_once_the_policy_changes(make_rig):
    rig = make_rig('none')
    assert rig.camera.count_subscribers('scale_odom') == 0
    rig.track(SECOND)
    for policy in ('odometry', 'hold', 'odometry'):
        change = Parameter('recovery.policy', value=policy)
        assert rig.node.set_parameters([change])[0].successful
    rig.until(lambda: rig.camera.count_subscribers('scale_odom') == 1)
    rig.track(2 * SECOND)
    assert np.allclose(rig.mounted, BODY_FROM_OPTICAL)
    assert len(rig.mounted) == 1


def test_the_covariance_of_the_other_odometry_comes_with_it(make_rig):
    rig = make_rig('odometry')
    inputs = rig.node._pipeline.stream._scale_inputs
    message = Odometry(child_frame_id='base_link')
    message.pose.pose.orientation.w = 1.0
    inputs._on_odometry(message)
    message.header.stamp.nanosec = 1
    message.pose.covariance = np.diag(np.arange(1.0, 7.0)).ravel()
    inputs._on_odometry(message)
    rig.track(SECOND)
    without, stated = rig.last_frame().wheels
    assert without.covariance is None
    assert np.array_equal(stated.covariance, np.diag(np.arange(1.0, 7.0)))


def test_silence_of_what_only_a_loss_needs_is_told_so(make_rig):
    rig = make_rig('none', **{'recovery.policy': 'odometry', 'input_timeout': 0.3})
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'needed for recovery.policy odometry'))


# --- metres at the other end


@pytest.fixture(scope='module')
def walk(world):
    return world.film([pose((STEP * index, 0, 0)) for index in range(-8, 14)])


def metric_odometry(world):
    def load(settings, _):
        made = VisualOdometry(replace(settings, {'matcher.device': 'cpu'}))
        made._matcher = made._scale._matcher = ExactMatcher(world, noise=0.1)
        return made

    return load


def send_frame(rig, frame):
    rig.images.publish(picture(frame.stamp, frame.image, 'mono8'))
    rig.until(lambda: frame.stamp in rig.stamps(), timeout=60.0)


def travelled(rig, first=0):
    """Metres between two odometries, by a node whose camera goes sideways."""
    places = [message.pose.pose.position for message in rig.heard['odom']]
    return abs(places[-1].y - places[first].y)


@pytest.fixture
def make_metric_rig(make_rig, world):
    def make(source):
        rig = make_rig(source, load=metric_odometry(world))
        through = camera()
        size = {'width': through.width, 'height': through.height}
        rig.send_info(**size, k=through.matrix.ravel().tolist())
        inputs = rig.node._pipeline.stream._inputs
        rig.until(lambda: inputs.camera is not None and inputs.camera.width == through.width)
        return rig

    return make


def test_odom_is_in_metres_by_depth(make_metric_rig, walk):
    rig = make_metric_rig('depth')
    for frame in walk[:8]:
        rig.send_depth(frame.stamp, frame.depth * 1000)
        send_frame(rig, frame)
    assert travelled(rig) == pytest.approx(7 * STEP, rel=0.02)
    rig.until(rig.says(OK, 'tracking'))
    assert rig.value('scale') == 'metric'
    assert rig.value('scale_source') == 'depth'
    assert float(rig.value('scale_sigma')) < 0.02


def test_odom_is_in_metres_by_wheels(make_metric_rig, walk):
    rig = make_metric_rig('odometry')
    for index, frame in enumerate(walk):
        # The camera goes right, and so the base goes along -y.
        message = Odometry(child_frame_id='base_link')
        message.header = messages.header(frame.stamp, 'odom')
        message.pose.pose.position.y = -STEP * index
        message.pose.pose.orientation.w = 1.0
        rig.wheels.publish(message)
        send_frame(rig, frame)
    rig.until(lambda: rig.value('scale') == 'metric')
    assert travelled(rig, first=-4) == pytest.approx(3 * STEP, rel=0.03)


def test_a_height_that_is_not_given_is_a_fault_that_says_what_to_do():
    rig = ScaleRig('camera_height', load=lambda settings, _: VisualOdometry(settings))
    try:
        rig.node.trigger_configure()
        rig.node.trigger_activate()
        rig.until(rig.says(ERROR, 'scale.camera_height'), timeout=60.0)
    finally:
        rig.close()
