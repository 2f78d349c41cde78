# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``vo_rerun``: what the node publishes is logged to Rerun."""

import sys
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rerun_rows import rows_of
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from loftr_vo.drawing.rerun_log import RerunError, RerunLog
from loftr_vo.imaging.camera import Camera
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.ros import messages, rerun_bridge
from loftr_vo.ros.markers import match_markers
from loftr_vo.ros.rerun_bridge import RerunBridge, open_log

SECOND = 10**9
# Of what is logged, as the methods of the log are named and as Rerun names it.
NAMES = {
    'camera': 'camera',
    'deviations': 'figures/position_sigma',
    'figures': 'figures/inliers',
    'inliers': 'matches/inliers',
    'keyframes': 'keyframes',
    'match_image': 'match_image',
    'outliers': 'matches/outliers',
    'path_piece': 'path/0',
    'picture': 'camera/image',
    'points': 'points',
    'state': 'state',
}
FIGURES = ('inliers', 'latency_ms', 'matches', 'position_sigma', 'rotation_sigma_deg')
STYLE = 1  # a row that says how the entity is drawn
MATRIX = np.array([[50.0, 0.0, 30.0], [0.0, 55.0, 20.0], [0.0, 0.0, 1.0]])


class Notes:
    """In the place of the log: notes what is logged, and when."""

    def __init__(self):
        self.calls = []
        self.stamp = None

    def at(self, stamp):
        self.stamp = stamp

    def __getattr__(self, name):
        return lambda *values: self.calls.append((name, self.stamp, *values))

    def of(self, name):
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def node():
    node = rclpy.create_node('vo_rerun')
    yield node
    node.destroy_node()


def odometry(stamp, x=0.0):
    pose = np.eye(4)
    pose[0, 3] = x
    covariance = np.diag([0.04, 0.04, 0.01, 1e-4, 2e-4, 1e-4])
    return messages.odometry(
        stamp, 'odom', 'base_link', pose, covariance, np.zeros(6), np.eye(6), Odometry()
    )


def status(stamp=None, state='tracking', reason=''):
    values = {'state': state, 'reason': reason}
    if stamp is not None:
        values |= {'stamp': str(stamp), 'matches': '9', 'inliers': '8', 'latency': '20.0'}
        values['keyframe'] = '3'
    return DiagnosticStatus(values=[KeyValue(key=k, value=v) for k, v in values.items()])


def camera_pose():
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('xyz', [0.3, -0.4, 0.5]).as_matrix()
    pose[:3, 3] = 1.0, 2.0, 3.0
    return pose


def markers(stamp, afresh=False):
    pixels = np.array([[10.0, 10.0], [20.0, 30.0], [40.0, 5.0]], np.float32)
    ones = np.ones(3, np.float32)
    estimate = Estimate(
        stamp,
        State.TRACKING,
        '',
        camera_pose(),
        np.eye(6),
        matches=Matches(pixels, pixels + 1, ones, ones, np.arange(3)),
        inliers=np.array([True, False, True]),
    )
    camera = Camera(60, 40, MATRIX, 'plumb_bob', np.zeros(5))
    header = messages.header(stamp, 'odom')
    return match_markers(header, estimate, camera, [camera_pose()], np.eye(4), afresh)


def camera_info():
    return CameraInfo(
        width=60, height=40, k=MATRIX.ravel(), d=[0.0] * 5, distortion_model='plumb_bob'
    )


def picture(stamp):
    grey = np.full((40, 60), 90, np.uint8)
    return Image(
        header=messages.header(stamp, 'optical'),
        height=40,
        width=60,
        encoding='mono8',
        step=60,
        data=grey.tobytes(),
    )


def match_image(stamp):
    return messages.image_message(stamp, 'optical', np.full((30, 90, 3), (9, 99, 199), np.uint8))


def points(stamp):
    return messages.point_cloud(stamp, 'odom', np.ones((4, 3)), np.linspace(0.0, 1.0, 4))


def log_all(bridge, stamp):
    bridge.on_camera_info(camera_info())
    bridge.on_picture(picture(stamp))
    bridge.on_odometry(odometry(stamp))
    bridge.on_status(status(stamp))
    bridge.on_markers(markers(stamp))
    bridge.on_match_image(match_image(stamp))
    bridge.on_points(points(stamp))


def test_everything_is_in_a_file(node, tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    log = RerunLog('FLU')
    open_log(log, str(tmp_path / 'live.rrd'))
    bridge = RerunBridge(node, log)
    for second in range(3):
        log_all(bridge, second * SECOND)
    bridge.close()
    rows = rows_of(tmp_path / 'live.rrd')
    of_pictures = {*NAMES.values()} - {'figures/inliers', 'path/0', 'state'}
    curves = [f'figures/{name}' for name in FIGURES]
    expected = dict.fromkeys(of_pictures - {*curves}, 3) | dict.fromkeys(curves, STYLE + 3)
    assert {entity: rows.get(f'/{entity}') for entity in expected} == expected
    # The state did not change; the path is written once a second, and at the end.
    assert rows['/state'] == STYLE + 1
    assert rows['/path/0'] == 3


def test_the_pose_of_the_camera_is_that_of_the_markers(node, notes):
    RerunBridge(node, notes).on_markers(markers(5))
    ((stamp, pose),) = notes.of('camera')
    assert stamp == 5
    np.testing.assert_allclose(pose, camera_pose(), atol=1e-12)
    assert [notes.of(name)[0][1].shape for name in ('inliers', 'outliers', 'keyframes')] == [
        (2, 2, 3),
        (1, 2, 3),
        (1, 3),
    ]


def test_pictures_and_points_arrive_as_they_were_sent(node, notes):
    bridge = RerunBridge(node, notes)
    log_all(bridge, 7)
    _, grey, camera = notes.of('picture')[0]
    assert (grey == 90).all()
    np.testing.assert_array_equal(camera.matrix, MATRIX)
    _, drawn = notes.of('match_image')[0]
    assert drawn.shape == (30, 90, 3)
    assert (drawn == (9, 99, 199)).all()
    _, positions, confidence, keyframe = notes.of('points')[0]
    assert keyframe == 3
    np.testing.assert_array_equal(positions, np.ones((4, 3)))
    np.testing.assert_allclose(confidence, np.linspace(0.0, 1.0, 4), rtol=1e-6)


def test_deviations_are_those_of_the_covariance(node, notes):
    RerunBridge(node, notes).on_odometry(odometry(7))
    ((stamp, covariance),) = notes.of('deviations')
    assert stamp == 7
    np.testing.assert_array_equal(covariance, np.diag([0.04, 0.04, 0.01, 1e-4, 2e-4, 1e-4]))


def test_a_status_that_repeats_is_logged_once(node, notes):
    bridge = RerunBridge(node, notes)
    for message in (
        status(state='waiting', reason='no image for 2.1 s'),
        status(state='waiting', reason='no image for 10 s'),
        status(1),
        status(1),
        status(2),
        status(2, 'lost', 'blur'),
    ):
        bridge.on_status(message)
    assert notes.of('state') == [
        (None, 'waiting', 'no image for 2.1 s'),
        (1, 'tracking', ''),
        (2, 'lost', 'blur'),
    ]
    assert [stamp for stamp, _ in notes.of('figures')] == [1, 2]


def test_the_path_begins_anew_at_a_reset_and_at_a_clock_set_back(node, notes):
    bridge = RerunBridge(node, notes)
    bridge.on_odometry(odometry(1 * SECOND, x=1.0))
    bridge.on_odometry(odometry(3 * SECOND, x=2.0))
    bridge.on_markers(markers(3 * SECOND, afresh=True))
    bridge.on_odometry(odometry(4 * SECOND, x=3.0))
    bridge.on_odometry(odometry(2 * SECOND, x=4.0))
    assert way(notes) == [(0, [1.0]), (0, [1.0, 2.0]), (0, [2.0, 3.0]), (0, [4.0])]
    assert notes.of('clear_map') == [(3 * SECOND,), (2 * SECOND,)]


def test_a_long_path_is_logged_in_pieces_that_touch(node, notes, monkeypatch):
    monkeypatch.setattr(rerun_bridge, '_PIECE_LENGTH', 3)
    bridge = RerunBridge(node, notes)
    for index in range(6):
        bridge.on_odometry(odometry(index * SECOND // 2 + SECOND, x=float(index)))
    bridge.close()
    assert way(notes) == [
        (0, [0.0]),
        (0, [0.0, 1.0, 2.0]),
        (1, [2.0, 3.0, 4.0]),
        (2, [4.0, 5.0]),
    ]


def way(notes):
    return [(number, each[:, 0].tolist()) for _, number, each in notes.of('path_piece')]


def test_a_picture_that_cannot_be_read_is_left_out(node, notes):
    broken = picture(1)
    broken.encoding = 'other'
    RerunBridge(node, notes).on_picture(broken)
    assert notes.of('picture') == []


def test_it_hears_the_topics_of_the_node(node, notes):
    RerunBridge(node, notes)
    sender = rclpy.create_node('loftr_vo')
    sent = {
        'image': picture,
        'camera_info': lambda _: camera_info(),
        'odom': odometry,
        '~/status': status,
        '~/matches': markers,
        '~/match_image': match_image,
        '~/points': points,
    }
    kinds = [Image, CameraInfo, Odometry, DiagnosticStatus, MarkerArray, Image, PointCloud2]
    publishers = [
        sender.create_publisher(kind, topic, 1) for kind, topic in zip(kinds, sent, strict=True)
    ]
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    deadline = time.monotonic() + 60.0
    stamp = 0
    while {name for name, *_ in notes.calls} < set(NAMES) and time.monotonic() < deadline:
        stamp += SECOND
        for publisher, make in zip(publishers, sent.values(), strict=True):
            publisher.publish(make(stamp))
        for _ in publishers:
            executor.spin_once(timeout_sec=0.01)
    executor.shutdown()
    sender.destroy_node()
    assert {name for name, *_ in notes.calls} == set(NAMES)


@pytest.mark.parametrize(
    ('output', 'way'),
    [('spawn', 'spawn'), ('rerun+http://robot:9876/proxy', 'connect'), ('a.rrd', 'save')],
)
def test_the_output_is_a_viewer_an_address_or_a_file(notes, output, way):
    open_log(notes, output)
    assert [call[0] for call in notes.calls] == [way]


def test_what_is_no_output_is_an_error():
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    with pytest.raises(RerunError, match=r'ends in \.rrd'):
        open_log(RerunLog('FLU'), 'viewer')
    with pytest.raises(RerunError, match='no viewer of Rerun at ftp'):
        open_log(RerunLog('FLU'), 'ftp://robot')


def test_a_viewer_that_cannot_be_started_is_an_error(monkeypatch):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    monkeypatch.setenv('PATH', '')
    with pytest.raises(RerunError, match='viewer cannot be started'):
        open_log(RerunLog('FLU'), 'spawn')


def test_without_rerun_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    assert rerun_bridge.main([]) == 1
    assert 'pip install "loftr_vo[rerun]"' in capsys.readouterr().err
