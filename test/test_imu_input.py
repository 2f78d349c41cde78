# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""An IMU beside the camera of the node: with the frames, and named and left out if it is bad."""

import math
import sys
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from sensor_msgs.msg import Imu
from test_node import ERROR, FAILURE, OK, SECOND, SUCCESS, WARN, Rig

from loftr_vo.config import ImuSettings
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.ros import messages

PERIOD = SECOND // 200
UP = np.array([0.0, 0.0, 9.81])
NONE = np.zeros(3)


class ImuRig(Rig):
    """A rig that also publishes an IMU, in the frame of the camera."""

    def __init__(self, **overrides):
        super().__init__(
            **{'queue_policy': 'all', 'scale.source': 'imu', 'input_timeout': 30.0, **overrides}
        )
        self.imus = self.camera.create_publisher(Imu, 'imu', 1000)

    def start(self):
        super().start()
        self.until(self.imus.get_subscription_count)
        self.send_info()
        self.until(lambda: self.node._pipeline.stream._inputs.camera)

    @property
    def input(self):
        return self.node._pipeline.stream._imu

    def measure(self, start, end, turn=NONE, force=UP, frame='camera_optical'):
        """Hand measurements to the node as if they had come, which takes less than sending."""
        for stamp in range(start, end + 1, PERIOD):
            self.input.feed.rate.happened(time.monotonic())
            self.input.receive(imu_message(stamp, turn, force, frame))

    def send(self, start, end, **fields):
        """Send measurements and wait until they have arrived."""
        stamps = range(start, end + 1, PERIOD)
        expected = self.input.feed.rate.count + len(stamps)
        for stamp in stamps:
            self.imus.publish(imu_message(stamp, **fields))
        self.until(lambda: self.input.feed.rate.count >= expected)

    def last_frame(self):
        return self.odometry.frames[-1]


def imu_message(stamp, turn=NONE, force=UP, frame='camera_optical'):
    message = Imu(header=messages.header(stamp, frame))
    vector = message.angular_velocity
    vector.x, vector.y, vector.z = map(float, turn)
    vector = message.linear_acceleration
    vector.x, vector.y, vector.z = map(float, force)
    message.orientation.x = math.nan  # it is not used
    return message


@pytest.fixture
def make_rig():
    rigs = []

    def make(**options):
        rigs.append(ImuRig(**options))
        rigs[-1].start()
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def test_measurements_come_with_the_frames_that_they_belong_to(make_rig):
    rig = make_rig()
    rig.send(SECOND - 10 * PERIOD, SECOND + 20 * PERIOD, turn=(0.1, 0.2, 0.3))
    rig.track(SECOND)
    rig.track(SECOND + 20 * PERIOD)
    first, second = (frame.imu for frame in rig.odometry.frames)
    assert first.stamps.tolist() == list(range(SECOND - 10 * PERIOD, SECOND + 1, PERIOD))
    assert second.stamps.tolist() == list(range(SECOND, SECOND + 20 * PERIOD + 1, PERIOD))
    assert np.allclose(second.angular_velocity, [0.1, 0.2, 0.3])
    assert np.allclose(second.specific_force, UP)
    rig.until(lambda: rig.value('imu') == 'used')
    assert rig.value('imu_reason') == rig.value('imu_faults') == ''


def test_the_frame_after_a_picture_that_was_left_out_has_the_measurements_of_both(make_rig):
    rig = make_rig()
    rig.measure(SECOND, 2 * SECOND)
    rig.track(SECOND)
    rig.send_image(SECOND + SECOND // 2, encoding='mystery')
    rig.track(2 * SECOND)
    assert len(rig.last_frame().imu) == 201


def test_where_the_imu_is_and_its_noise_go_to_the_odometry_once(make_rig):
    rig = make_rig(**{'imu.gyroscope_noise': 0.001})
    rig.measure(SECOND, SECOND + PERIOD)
    rig.track(SECOND)
    rig.track(2 * SECOND)
    ((pose, noise),) = rig.odometry.imu_mountings
    assert np.array_equal(pose, np.eye(4))
    assert noise.gyroscope == 0.001


def test_without_a_transform_the_camera_goes_on_alone_and_the_status_says_so(make_rig):
    rig = make_rig()
    rig.measure(SECOND, SECOND + 2 * PERIOD, frame='imu_link')
    rig.track(SECOND)
    assert rig.last_frame().imu is None
    rig.until(rig.says(WARN, "waits for the transform from imu_link to 'camera_optical'"))
    assert rig.value('imu') == 'not used'
    assert rig.odometry.imu_mountings == []


def test_an_imu_without_a_frame_is_named(make_rig):
    rig = make_rig()
    rig.measure(SECOND, SECOND + PERIOD, frame='')
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'no frame_id on imu'))


def test_an_imu_that_nothing_publishes_is_named(make_rig):
    rig = make_rig()
    rig.camera.destroy_publisher(rig.imus)
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'no imu yet'))
    assert rig.last_frame().imu is None


def test_silence_is_named(make_rig):
    rig = make_rig(input_timeout=0.2)
    rig.measure(SECOND, SECOND + PERIOD)

    def silence():
        rig.send_image(rig.stamp)
        rig.stamp += SECOND
        return rig.says(WARN, 'no imu on /imu for')()

    rig.stamp = SECOND
    rig.until(silence)
    assert 'the camera goes on alone' in rig.last_status()[1]


def test_another_clock_is_named(make_rig):
    rig = make_rig()
    rig.measure(5000 * SECOND, 5000 * SECOND + PERIOD)
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'the nearest measurement of imu is 4999000.0 ms from its picture'))
    assert rig.last_frame().imu is None


@pytest.mark.parametrize(
    ('turn', 'force', 'words', 'counts'),
    [
        ((0.0, math.nan, 0.0), UP, 'not finite', 'not finite 1'),
        (NONE, (math.inf, 0.0, 0.0), 'not finite', 'not finite 1'),
        ((1e155, 0.0, 0.0), UP, 'a turn rate of 1e+155 rad/s', 'implausible 1'),
        (NONE, (0.0, -1e30, 0.0), 'a specific force of -1e+30 m/s^2', 'implausible 1'),
    ],
)
def test_a_measurement_that_cannot_be_is_named_and_left_out(make_rig, turn, force, words, counts):
    rig = make_rig()
    rig.measure(SECOND, SECOND + 10 * PERIOD)
    rig.measure(SECOND + 11 * PERIOD, SECOND + 11 * PERIOD, turn, force)
    rig.measure(SECOND + 12 * PERIOD, SECOND + 20 * PERIOD)
    rig.track(SECOND + 20 * PERIOD)
    rig.until(rig.says(WARN, f'imu: {"a measurement is " if "not" in words else ""}{words}'))
    assert rig.value('imu_faults') == counts
    assert len(rig.last_frame().imu) == 20


@pytest.mark.parametrize(
    ('step', 'words'),
    [
        (0, 'measurements come twice, with one stamp'),
        (-2 * PERIOD, 'measurements are out of order, by 10.0 ms'),
        (-(10**3) * SECOND, 'is far from'),
        (10 * PERIOD, 'measurements are missing for 50 ms, where 5.0 ms are usual'),
    ],
)
def test_stamps_that_do_not_go_on_are_named(make_rig, step, words):
    rig = make_rig()
    last = 2000 * SECOND
    rig.measure(last - 2 * SECOND, last)
    rig.measure(last + step, last + step)
    rig.track(last)
    rig.until(rig.says(WARN, words))
    assert rig.last_frame().imu is not None


def test_saturation_is_named(make_rig):
    rig = make_rig()
    rig.measure(SECOND, SECOND + 10 * PERIOD)
    for index in range(1, 6):
        stamp = SECOND + (10 + index) * PERIOD
        rig.measure(stamp, stamp, turn=(0.01 * index, 0.0, -8.73))
    rig.track(SECOND + 15 * PERIOD)
    rig.until(rig.says(WARN, 'imu: the gyroscope is saturated about z, at 8.73 rad/s'))
    rig.until(lambda: rig.value('imu') == 'used')


@pytest.mark.parametrize(
    ('factor', 'words'),
    [(1 / 9.81, 'given in g'), (0.0, 'there is no gravity')],
)
def test_another_unit_of_the_force_leaves_the_camera_alone(make_rig, factor, words):
    rig = make_rig()
    rig.measure(SECOND, 2 * SECOND, force=factor * UP)
    rig.track(2 * SECOND)
    rig.until(rig.says(WARN, words))
    assert 'the camera goes on alone' in rig.last_status()[1]
    assert rig.last_frame().imu is None
    rig.measure(2 * SECOND + PERIOD, 5 * SECOND)
    rig.track(5 * SECOND)
    rig.until(rig.says(OK, 'tracking'))
    assert rig.last_frame().imu is not None


# --- where the IMU is, by TF


def test_where_the_imu_is_comes_from_tf(make_rig, transforms):
    transforms.buffer.mounted = None
    rig = make_rig()
    rig.measure(SECOND, SECOND + 20 * PERIOD, frame='imu_link')
    rig.track(SECOND)
    words = "imu: waits for the transform from imu_link to 'camera_optical': camera_optical does"
    rig.until(rig.says(WARN, words))
    assert rig.last_frame().imu is None
    transforms.buffer.mounted = BODY_FROM_OPTICAL
    rig.track(SECOND + 10 * PERIOD)
    rig.track(SECOND + 20 * PERIOD)
    assert rig.last_frame().imu is not None
    ((pose, _),) = rig.odometry.imu_mountings
    assert np.allclose(pose, BODY_FROM_OPTICAL)
    rig.until(rig.says(OK, 'tracking'))


def test_an_imu_far_from_the_camera_is_named(make_rig, transforms):
    transforms.buffer.mounted = np.eye(4) + np.array([[0, 0, 0, 1e4]] + 3 * [4 * [0]])
    rig = make_rig()
    rig.measure(SECOND, SECOND + 2 * PERIOD, frame='imu_link')
    rig.track(SECOND)
    rig.until(rig.says(WARN, "imu: by TF 'camera_optical' is not beside 'imu_link'"))
    assert rig.last_frame().imu is None


def test_a_calibration_takes_the_place_of_tf_and_of_the_noise_and_shifts_the_clock(
    make_rig, tmp_path
):
    file = tmp_path / 'camchain-imucam.yaml'
    pose = np.linalg.inv(BODY_FROM_OPTICAL).tolist()
    file.write_text(
        f'cam0:\n  T_cam_imu: {pose}\n  timeshift_cam_imu: 0.01\n'
        'gyro_noise_density: 0.002\naccel_noise_density: 0.03\n'
        'gyro_random_walk: 0.0004\naccel_random_walk: 0.005\n'
    )
    rig = make_rig(imu_calibration=str(file))
    rig.measure(SECOND, SECOND + 10 * PERIOD, frame='imu_link')
    rig.track(SECOND)
    assert rig.last_frame().imu.stamps.tolist() == [SECOND - 2 * PERIOD, SECOND - PERIOD, SECOND]
    ((pose, noise),) = rig.odometry.imu_mountings
    assert np.allclose(pose, BODY_FROM_OPTICAL)
    assert (noise.gyroscope, noise.accelerometer_walk) == (0.002, 0.005)


def test_densities_that_are_set_win_over_those_of_a_calibration(make_rig, tmp_path):
    file = tmp_path / 'extrinsics.yaml'
    file.write_text(
        f'T_imu_cam: {np.eye(4).tolist()}\n'
        'gyro_noise_density: 0.002\naccel_noise_density: 0.03\n'
        'gyro_random_walk: 0.0004\naccel_random_walk: 0.005\n'
    )
    rig = make_rig(imu_calibration=str(file), **{'imu.gyroscope_noise': 0.001})
    rig.measure(SECOND, SECOND + 10 * PERIOD)
    rig.track(SECOND)
    ((_, noise),) = rig.odometry.imu_mountings
    assert (noise.gyroscope, noise.accelerometer) == (0.001, ImuSettings().accelerometer_noise)


def test_a_calibration_that_cannot_be_read_ends_the_activation(tmp_path):
    rig = ImuRig(imu_calibration=str(tmp_path / 'absent.yaml'))
    try:
        assert rig.node.trigger_configure() == SUCCESS
        assert rig.node.trigger_activate() == FAILURE
        rig.until(rig.says(ERROR, 'absent.yaml'))
    finally:
        rig.close()


def test_without_tf2_an_imu_in_the_frame_of_the_camera_is_taken(make_rig, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tf2_ros', None)
    rig = make_rig()
    rig.measure(SECOND, SECOND + 2 * PERIOD, frame='imu_link')
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'tf2_ros is not installed'))
    rig.measure(SECOND + 3 * PERIOD, SECOND + 5 * PERIOD)
    rig.track(SECOND + 5 * PERIOD)
    assert rig.last_frame().imu is not None


# --- the IMU against the pictures


def test_a_contradiction_is_named_until_it_is_over(make_rig):
    rig = make_rig()
    rig.measure(SECOND, 3 * SECOND)
    rig.odometry.imu_fault = 'it is in degrees/s, not in rad/s'
    rig.track(SECOND)
    rig.until(rig.says(WARN, 'it is in degrees/s, not in rad/s; the camera goes on alone'))
    assert rig.value('imu') == 'not used'
    rig.odometry.imu_fault = ''
    rig.track(2 * SECOND)
    # The odometry has them all the while, to find out when it is over.
    assert rig.last_frame().imu is not None
    rig.until(rig.says(OK, 'tracking'))
    assert rig.value('imu') == 'used'


def test_an_offset_of_the_clocks_is_said_and_warned_of_where_it_is_large(make_rig):
    rig = make_rig()
    rig.measure(SECOND, 3 * SECOND)
    rig.odometry.imu_offset = 0.0351
    rig.track(SECOND)
    rig.until(rig.says(WARN, "the IMU's stamps are 35 ms later than those of pictures"))
    assert rig.value('imu_offset_ms') == '35.1'
    assert rig.value('imu') == 'used'
    rig.odometry.imu_offset = -0.002
    rig.track(2 * SECOND)
    rig.until(rig.says(OK, 'tracking'))
    assert rig.value('imu_offset_ms') == '-2.0'


def test_up_is_compared_where_the_mounting_is_measured(make_rig, transforms):
    transforms.buffer.mounted = BODY_FROM_OPTICAL
    rig = make_rig(base_frame='base_link')
    mounted = []
    rig.odometry.mount = mounted.append
    rig.track(SECOND)
    ((pose),) = mounted
    assert np.allclose(pose, BODY_FROM_OPTICAL)


# --- level


def tilted_up():
    """In the optical axes of a camera that looks 30 degrees down."""
    return 9.81 * np.array([0.0, -math.cos(math.radians(30)), -math.sin(math.radians(30))])


@pytest.mark.parametrize('align', [True, False])
def test_odom_is_level_from_the_first_picture_on(make_rig, align):
    rig = make_rig(**{'imu.align_gravity': align})
    rig.measure(SECOND - 20 * PERIOD, SECOND + SECOND // 2, force=tilted_up())
    rig.track(SECOND)
    first = rig.heard['odom'][-1].pose.pose.orientation
    pitch = math.degrees(2 * math.atan2(first.y, first.w))
    assert pitch == pytest.approx(30.0 if align else 0.0, abs=1e-3)
    # The camera goes forward, and so down by half of that.
    rig.track(SECOND + SECOND // 2)
    place = rig.heard['odom'][-1].pose.pose.position
    assert place.z == pytest.approx(-0.5 if align else 0.0, abs=1e-6)
    assert rig.value('odom_tilt') == 'unknown'


# --- odometry between pictures


def test_odometry_comes_at_the_rate_of_the_imu_and_in_order(make_rig):
    rig = make_rig(**{'imu.publish_rate': 50.0, 'imu.align_gravity': False})
    between = rig.node._pipeline.stream._between
    rig.measure(SECOND, SECOND + 20 * PERIOD)
    # One unit in a tenth of a second.
    for stamp in (SECOND, SECOND + 20 * PERIOD):
        rig.track(stamp)
    rig.until(lambda: between._anchor is not None)
    rig.measure(SECOND + 21 * PERIOD, SECOND + 40 * PERIOD)
    stamps = [SECOND + index * PERIOD for index in (0, 20, 21, 25, 29, 33, 37)]
    rig.until(lambda: rig.stamps() == stamps)
    places = [message.pose.pose.position.x for message in rig.heard['odom']]
    assert places[2:] == pytest.approx([1.05, 1.25, 1.45, 1.65, 1.85])
    last = rig.heard['odom'][-1]
    assert last.twist.twist.linear.x == pytest.approx(10.0)
    assert last.pose.covariance[0] > rig.heard['odom'][1].pose.covariance[0]
    # The estimate of a picture is late: it is not published, and what follows goes on from it.
    anchor = between._anchor
    rig.send_image(SECOND + 30 * PERIOD)
    rig.until(lambda: between._anchor not in (None, anchor))
    rig.measure(SECOND + 41 * PERIOD, SECOND + 41 * PERIOD)
    rig.until(lambda: rig.stamps() == [*stamps, SECOND + 41 * PERIOD])
    assert rig.heard['odom'][-1].pose.pose.position.x == pytest.approx(2.0 + 11 * PERIOD / 5e7)
    # Half a second without a picture is the most.
    rig.measure(SECOND + 42 * PERIOD, 3 * SECOND)
    rig.spin(0.1)
    assert rig.stamps()[-1] <= SECOND + 130 * PERIOD


def test_while_lost_nothing_is_published_between_pictures(make_rig):
    rig = make_rig(**{'imu.publish_rate': 50.0})
    rig.measure(SECOND, SECOND + 40 * PERIOD)
    rig.track(SECOND)
    rig.odometry.step_to = lambda frame: None
    rig.track(SECOND + 20 * PERIOD)
    rig.measure(SECOND + 41 * PERIOD, SECOND + 60 * PERIOD)
    rig.spin(0.1)
    assert rig.stamps() == [SECOND, SECOND + 20 * PERIOD]
