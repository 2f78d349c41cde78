# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to pictures and cameras, and estimates to messages."""

import dataclasses
import sys
from importlib.util import find_spec
from types import ModuleType

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from visualization_msgs.msg import Marker

from loftr_vo.drawing.match_segments import MAX_MATCHES
from loftr_vo.imaging import image_messages
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera_info import camera_from_info, is_rectified
from loftr_vo.imaging.image_messages import (
    ImageError,
    PictureReader,
    depth_image,
    grey_image,
)
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.calibration.calibration_status import CalibrationStatus
from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.ros import messages
from loftr_vo.ros.health import Feed, Health
from loftr_vo.ros.level import Level
from loftr_vo.ros.markers import MAX_KEYFRAMES, match_markers
from loftr_vo.ros.status_message import status_message

GREY = np.random.default_rng(1).integers(0, 256, (6, 10), np.uint8)


def image(pixels, encoding, padding=0, big_endian=False):
    """Return an Image message of the pixels, its rows padded with bytes that are not zero."""
    pixels = pixels.astype(pixels.dtype.newbyteorder('>' if big_endian else '<'))
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.hstack([rows, np.full((len(rows), padding), 255, np.uint8)])
    return Image(
        height=len(pixels),
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=big_endian,
        step=rows.shape[1],
        data=rows.tobytes(),
    )


@pytest.fixture
def fresh_converter():
    """Have the choice of a converter made anew, in the test and after it."""
    for cached in (image_messages._converter, image_messages._pixel_size):
        cached.cache_clear()
    yield
    for cached in (image_messages._converter, image_messages._pixel_size):
        cached.cache_clear()


CONVERTERS = ['rosbags-image'] + ['cv_bridge'] * bool(find_spec('cv_bridge'))


@pytest.fixture(params=CONVERTERS)
def converter(request, monkeypatch, fresh_converter):
    """Run a test with each converter that is installed."""
    if request.param != 'cv_bridge':
        monkeypatch.setitem(sys.modules, 'cv_bridge', None)


@pytest.mark.parametrize('padding', [0, 7])
@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_picture_comes_through(converter, encoding, padding):
    np.testing.assert_array_equal(grey_image(image(GREY, encoding, padding)), GREY)


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'order'),
    [('rgb8', 'RGB'), ('bgr8', 'BGR'), ('rgba8', 'RGBA'), ('bgra8', 'BGRA'), ('8UC3', 'BGR')],
)
def test_colour_is_weighted_by_its_channels(converter, encoding, order, padding):
    parts = {'R': 200, 'G': 100, 'B': 10, 'A': 255}
    pixels = np.tile(np.array([parts[c] for c in order], np.uint8), (4, 6, 1))
    expected = 0.299 * 200 + 0.587 * 100 + 0.114 * 10
    grey = grey_image(image(pixels, encoding, padding))
    assert grey.shape == (4, 6)
    np.testing.assert_allclose(grey, expected, atol=1)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('bits', [10, 12, 16])
def test_16_bits_keep_the_highest_in_use(converter, bits, padding, big_endian):
    values = np.arange(60, dtype=np.uint16).reshape(6, 10) << (bits - 6)
    values[-1, -1] = 2**bits - 1
    grey = grey_image(image(values, 'mono16', padding, big_endian))
    np.testing.assert_array_equal(grey, values >> (bits - 8))


def test_brightness_of_16_bits_does_not_change_along_a_stream(converter):
    reader = PictureReader()
    bright = np.full((4, 6), 900, np.uint16)
    assert reader.read(image(bright, 'mono16')).max() == 900 >> 2
    # Half as bright, though 9 bits would do for it.
    assert reader.read(image(bright // 2, 'mono16')).max() == 450 >> 2


def test_compressed_picture_of_16_bits_keeps_the_highest_in_use():
    values = np.arange(60, dtype=np.uint16).reshape(6, 10) << 4
    values[-1, -1] = 1023
    data = cv2.imencode('.png', values)[1].tobytes()
    grey = grey_image(CompressedImage(format='mono16; png compressed', data=data))
    np.testing.assert_array_equal(grey, values >> 2)


@pytest.mark.parametrize(
    ('pattern', 'red', 'blue'),
    [
        ('bayer_rggb8', (0, 0), (1, 1)),
        ('bayer_bggr8', (1, 1), (0, 0)),
        ('bayer_gbrg8', (1, 0), (0, 1)),
        ('bayer_grbg8', (0, 1), (1, 0)),
    ],
)
@pytest.mark.parametrize('wide', [False, True])
def test_bayer_patterns_are_distinguished(converter, pattern, red, blue, wide):
    raw = np.full((8, 8), 100, np.uint8)
    raw[red[0] :: 2, red[1] :: 2] = 200
    raw[blue[0] :: 2, blue[1] :: 2] = 10
    encoding = pattern
    if wide:
        raw, encoding = raw.astype(np.uint16) << 8, pattern[:-1] + '16'
    expected = 0.299 * 200 + 0.587 * 100 + 0.114 * 10
    np.testing.assert_allclose(grey_image(image(raw, encoding))[2:-2, 2:-2], expected, atol=2)


@pytest.mark.parametrize(('encoding', 'luma'), [('uyvy', 1), ('yuv422', 1), ('yuyv', 0)])
def test_luma_of_interleaved_yuv(converter, encoding, luma):
    pixels = np.full((6, 10, 2), 128, np.uint8)
    pixels[..., luma] = GREY
    np.testing.assert_array_equal(grey_image(image(pixels, encoding)), GREY)


def test_luma_of_planar_yuv(converter):
    message = image(GREY, 'nv12')
    message.data = message.data.tobytes() + bytes(30)
    np.testing.assert_array_equal(grey_image(message), GREY)


def test_compressed_picture(converter):
    data = cv2.imencode('.png', cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGR))[1]
    message = CompressedImage(format='bgr8; png compressed bgr8', data=data.tobytes())
    np.testing.assert_array_equal(grey_image(message), GREY)


@pytest.mark.parametrize('data', [b'', b'not a picture'])
def test_damaged_compressed_data_is_an_error(data):
    with pytest.raises(ImageError, match='does not decode'):
        grey_image(CompressedImage(format='jpeg', data=data))


@pytest.mark.parametrize('encoding', ['h264', '32FC1', '', '16SC1'])
def test_unknown_encoding_is_named(encoding):
    with pytest.raises(ImageError, match=f"'{encoding}' is not supported; supported are mono8"):
        grey_image(image(GREY, encoding))


def test_short_data_is_an_error(converter):
    message = image(GREY, 'mono8')
    message.height = 7
    with pytest.raises(ImageError, match='take 70 bytes, but the data has 60'):
        grey_image(message)


def test_short_step_is_an_error(converter):
    message = image(GREY, 'rgb8')
    with pytest.raises(ImageError, match='takes 30 bytes, but step is 10'):
        grey_image(message)


def test_empty_picture_is_an_error(converter):
    with pytest.raises(ImageError, match='empty'):
        grey_image(Image(encoding='mono8'))


def test_cv_bridge_that_fails_at_work_is_passed_over(monkeypatch, fresh_converter):
    class Broken:
        def imgmsg_to_cv2(self, message, encoding):
            raise AttributeError('_ARRAY_API not found')

    module = ModuleType('cv_bridge')
    module.CvBridge = Broken
    monkeypatch.setitem(sys.modules, 'cv_bridge', module)
    np.testing.assert_array_equal(grey_image(image(GREY, 'mono8')), GREY)


@pytest.mark.parametrize('big_endian', [False, True])
def test_depth_in_millimetres(converter, big_endian):
    values = np.array([[0, 1500], [65535, 1]], np.uint16)
    depth = depth_image(image(values, '16UC1', 4, big_endian))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[0, 1.5], [65.535, 0.001]], rtol=1e-6)


def test_depth_in_metres(converter):
    values = np.array([[0.5, np.nan], [2.0, 0.0]], np.float32)
    np.testing.assert_array_equal(depth_image(image(values, '32FC1', 8)), values)


def test_depth_of_another_encoding_is_an_error():
    with pytest.raises(ImageError, match='rgb8'):
        depth_image(image(GREY, 'rgb8'))


def camera_info(**changes):
    info = CameraInfo(
        width=640,
        height=480,
        distortion_model='plumb_bob',
        d=[0.1, -0.2, 0.001, 0.002, 0.0],
        k=[500.0, 0, 320, 0, 510, 240, 0, 0, 1],
        p=[450.0, 0, 310, 0, 0, 450, 230, 0, 0, 0, 1, 0],
    )
    for name, value in changes.items():
        setattr(info, name, value)
    return info


def test_camera_info_becomes_a_camera():
    camera = camera_from_info(camera_info())
    assert (camera.width, camera.height) == (640, 480)
    assert camera.distortion_model == 'plumb_bob'
    np.testing.assert_array_equal(camera.matrix, [[500, 0, 320], [0, 510, 240], [0, 0, 1]])
    np.testing.assert_array_equal(camera.distortion, [0.1, -0.2, 0.001, 0.002, 0.0])


@pytest.mark.parametrize(
    ('model', 'count'), [('plumb_bob', 5), ('rational_polynomial', 8), ('equidistant', 4)]
)
def test_lens_models(model, count):
    camera = camera_from_info(camera_info(distortion_model=model, d=[0.01] * count))
    point = np.array([[0.2, 0.1, 1.0]])
    np.testing.assert_allclose(camera.undistort(camera.project(point)), point[:, :2], atol=1e-6)


def test_uncalibrated_camera_is_an_error():
    with pytest.raises(CalibrationError, match='all zero'):
        camera_from_info(camera_info(k=[0.0] * 9))


def test_unknown_lens_model_is_an_error():
    with pytest.raises(CalibrationError, match='mystery'):
        camera_from_info(camera_info(distortion_model='mystery'))


@pytest.mark.parametrize('distortion', [[], [0.0] * 5])
@pytest.mark.parametrize('model', ['', 'plumb_bob', 'none'])
def test_camera_without_distortion(model, distortion):
    camera = camera_from_info(camera_info(distortion_model=model, d=distortion))
    assert camera.distortion.size == 0


def test_rectified_topic_is_described_by_p():
    camera = camera_from_info(camera_info(), rectified=True)
    np.testing.assert_array_equal(camera.matrix, [[450, 0, 310], [0, 450, 230], [0, 0, 1]])
    assert camera.distortion.size == 0


def test_rectified_topic_without_p_is_described_by_k_where_nothing_is_distorted():
    camera = camera_from_info(camera_info(p=[0.0] * 12, d=[0.0] * 5), rectified=True)
    np.testing.assert_array_equal(camera.matrix, [[500, 0, 320], [0, 510, 240], [0, 0, 1]])
    with pytest.raises(CalibrationError, match=r'the projection matrix P, .* is all zero'):
        camera_from_info(camera_info(p=[0.0] * 12), rectified=True)


@pytest.mark.parametrize(
    ('topic', 'expected'),
    [
        ('/camera/image_rect', True),
        ('/camera/image_rect_color', True),
        ('/camera/image_rect/compressed', True),
        ('/camera/image_raw', False),
        ('/rect/image', False),
    ],
)
def test_rectified_topics_are_known_by_name(topic, expected):
    assert is_rectified(topic) is expected


def test_binning_scales_the_camera():
    camera = camera_from_info(camera_info(binning_x=2, binning_y=2))
    assert (camera.width, camera.height) == (320, 240)
    np.testing.assert_array_equal(camera.matrix, [[250, 0, 160], [0, 255, 120], [0, 0, 1]])


def test_region_of_interest_shifts_the_centre_and_is_binned_after():
    region = RegionOfInterest(x_offset=100, y_offset=40, width=400, height=300)
    camera = camera_from_info(camera_info(roi=region, binning_x=2, binning_y=2))
    assert (camera.width, camera.height) == (200, 150)
    np.testing.assert_array_equal(camera.matrix, [[250, 0, 110], [0, 255, 100], [0, 0, 1]])


def make_estimate(count=4):
    generator = np.random.default_rng(0)
    pixels = generator.uniform(0, 400, (count, 2)).astype(np.float32)
    matches = Matches(
        pixels,
        pixels + 1,
        np.ones(count, np.float32),
        np.ones(count, np.float32),
        np.arange(count),
    )
    inliers = np.arange(count) % 2 == 0
    return Estimate(
        1_500_000_000,
        State.TRACKING,
        '',
        np.eye(4),
        np.eye(6),
        matches=matches,
        inliers=inliers,
        parallax=1.25,
        keyframe_id=3,
        timings={'match': 12.5},
    )


def test_odometry_message_is_complete():
    pose = np.eye(4)
    pose[:3, 3] = 1, 2, 3
    covariance = np.arange(36.0).reshape(6, 6)
    message = messages.odometry(
        3_000_000_007, 'odom', 'base_link', pose, covariance, np.arange(6.0), 2 * covariance
    )
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 7)
    assert (message.header.frame_id, message.child_frame_id) == ('odom', 'base_link')
    position, orientation = message.pose.pose.position, message.pose.pose.orientation
    assert (position.x, position.y, position.z) == (1, 2, 3)
    assert (orientation.x, orientation.y, orientation.z, orientation.w) == (0, 0, 0, 1)
    np.testing.assert_array_equal(message.pose.covariance, covariance.ravel())
    np.testing.assert_array_equal(message.twist.covariance, 2 * covariance.ravel())
    assert (message.twist.twist.linear.y, message.twist.twist.angular.z) == (1, 5)


def test_transform_there_and_back():
    pose = np.array([[0, -1, 0, 1.0], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
    message = messages.transform_stamped(0, 'odom', 'base_link', pose)
    assert (message.header.frame_id, message.child_frame_id) == ('odom', 'base_link')
    np.testing.assert_allclose(messages.matrix(message.transform), pose, atol=1e-12)


def test_picture_message_reads_back():
    picture = np.random.default_rng(2).integers(0, 256, (5, 7, 3), np.uint8)
    message = messages.image_message(0, 'camera', picture)
    assert (message.height, message.width, message.step) == (5, 7, 21)
    expected = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    np.testing.assert_array_equal(grey_image(message), expected)


def test_point_cloud_has_confidence():
    points = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    message = messages.point_cloud(0, 'odom', points, np.array([0.5, 0.25], np.float32))
    assert [field.name for field in message.fields] == ['x', 'y', 'z', 'confidence']
    assert (message.width, message.point_step, message.row_step) == (2, 16, 32)
    values = np.frombuffer(message.data, np.float32).reshape(2, 4)
    np.testing.assert_array_equal(values, [[1, 2, 3, 0.5], [4, 5, 6, 0.25]])


def test_status_has_every_value_of_the_contract():
    health = Health(lifecycle='active', image=Feed('/image', ''), estimate=make_estimate())
    health.latency = 0.0123
    message = status_message('/loftr_vo', health, (Level.OK, 'tracking'), 0.0)
    values = {pair.key: pair.value for pair in message.values}
    assert message.level == b'\x00'
    expected = {
        'state': 'tracking',
        'reason': 'tracking',
        'matches': '4',
        'inliers': '2',
        'parallax': '1.250',
        'latency': '12.3',
        'dropped': '0',
        'keyframe': '3',
        'scale': 'none (not metric)',
        'match_ms': '12.5',
    }
    assert expected.items() <= values.items()


def test_status_has_new_starts_and_a_scale_that_is_carried_over():
    estimate = dataclasses.replace(make_estimate(), restarts=2, scale_carried=True)
    health = Health(lifecycle='active', image=Feed('/image', ''), estimate=estimate)
    message = status_message('/loftr_vo', health, (Level.OK, 'tracking'), 0.0)
    values = {pair.key: pair.value for pair in message.values}
    assert values['restarts'] == '2'
    assert 'carried over' in values['scale']
    assert 'not metric' in values['scale']


@pytest.mark.parametrize(
    ('seconds', 'words'), [(np.nan, 'unknown'), (0.0, '0.0'), (0.0253, '25.3'), (-0.02, '-20.0')]
)
def test_status_has_the_readout_time(seconds, words):
    estimate = dataclasses.replace(make_estimate(), readout_time=seconds)
    health = Health(lifecycle='active', image=Feed('/image', ''), estimate=estimate)
    message = status_message('/loftr_vo', health, (Level.OK, 'tracking'), 0.0)
    assert {pair.key: pair.value for pair in message.values}['readout_ms'] == words


def test_status_has_the_error_of_the_calibration():
    estimate = make_estimate()
    health = Health(lifecycle='active', image=Feed('/image', ''), estimate=estimate)
    message = status_message('/loftr_vo', health, (Level.OK, 'tracking'), 0.0)
    values = {pair.key: pair.value for pair in message.values}
    assert values['focal_error_percent'] == values['distortion_error_sigma_px'] == 'unknown'
    found = CalibrationStatus(-0.0514, 0.006, 2.0, 3.25)
    health.estimate = dataclasses.replace(estimate, calibration=found)
    message = status_message('/loftr_vo', health, (Level.OK, 'tracking'), 0.0)
    values = {pair.key: pair.value for pair in message.values}
    assert (values['focal_error_percent'], values['focal_error_sigma_percent']) == (
        '-5.14',
        '0.60',
    )
    assert (values['distortion_error_px'], values['distortion_error_sigma_px']) == ('2.00', '3.25')


def test_markers_split_inliers_from_outliers():
    estimate = make_estimate(5)
    header = messages.header(estimate.stamp, 'odom')
    camera = camera_from_info(camera_info())
    array = match_markers(header, estimate, camera, [np.eye(4)], np.eye(4))
    markers = {marker.ns: marker for marker in array.markers}
    assert set(markers) == {'inliers', 'outliers', 'keyframes', 'camera'}
    assert len(markers['inliers'].points) == 2 * 3
    assert len(markers['outliers'].points) == 2 * 2
    assert len(markers['keyframes'].points) == 1
    assert all(marker.header.frame_id == 'odom' for marker in array.markers)


def test_markers_without_matches_are_deleted():
    estimate = Estimate(0, State.INITIALISING, 'first picture', np.eye(4), np.eye(6))
    camera = camera_from_info(camera_info())
    array = match_markers(messages.header(0, 'odom'), estimate, camera, [], np.eye(4))
    actions = {marker.ns: marker.action for marker in array.markers}
    assert actions['inliers'] == actions['outliers'] == actions['keyframes'] == 2
    assert actions['camera'] == 0


def test_markers_are_bounded_and_the_newest_keyframes_are_drawn():
    estimate = make_estimate(5000)
    camera = camera_from_info(camera_info())
    keyframes = []
    for number in range(MAX_KEYFRAMES + 7):
        keyframes.append(np.eye(4))
        keyframes[-1][0, 3] = number
    header = messages.header(estimate.stamp, 'odom')
    array = match_markers(header, estimate, camera, keyframes, np.eye(4))
    markers = {marker.ns: marker for marker in array.markers}
    lines = len(markers['inliers'].points) + len(markers['outliers'].points)
    assert lines == 2 * MAX_MATCHES
    drawn = [point.x for point in markers['keyframes'].points]
    assert drawn == list(range(7, MAX_KEYFRAMES + 7))


def test_a_new_start_clears_what_was_drawn():
    estimate = make_estimate(5)
    camera, header = camera_from_info(camera_info()), messages.header(1, 'odom')
    first = match_markers(header, estimate, camera, [], np.eye(4), afresh=True).markers
    assert first[0].action == Marker.DELETEALL
    assert first[0].header.frame_id == 'odom'
    later = match_markers(header, estimate, camera, [], np.eye(4)).markers
    assert Marker.DELETEALL not in [marker.action for marker in later]
    assert [(m.ns, m.id) for m in first[1:]] == [(m.ns, m.id) for m in later]


def test_the_camera_has_the_colour_of_the_state():
    camera, header = camera_from_info(camera_info()), messages.header(1, 'odom')
    colours = set()
    for state in State:
        estimate = Estimate(1, state, 'why', np.eye(4), np.eye(6))
        (drawn,) = (
            marker
            for marker in match_markers(header, estimate, camera, [], np.eye(4)).markers
            if marker.ns == 'camera'
        )
        colours.add((drawn.color.r, drawn.color.g, drawn.color.b))
    assert len(colours) == len(State)
