# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The camera of the demo's launch file: what it publishes, and what it refuses."""

import subprocess
import sys
from itertools import islice, pairwise
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from node_harness import environment
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from sensor_msgs.msg import CameraInfo, Image

from loftr_vo.imaging.camera_info import camera_from_info
from loftr_vo.ros.messages import matrix, nanoseconds
from loftr_vo.ros.rendered_camera import RenderedCamera, forth_and_back
from loftr_vo.synthetic.sequence import SyntheticSequence

SECOND = 10**9
SIZE = (48, 64)
SETTINGS = {'frames': 3, 'width': SIZE[1], 'height': SIZE[0], 'rate': 20.0, 'seed': 1}


def test_pictures_go_forth_and_back_with_their_calibration():
    camera = RenderedCamera(
        parameter_overrides=[Parameter(name, value=value) for name, value in SETTINGS.items()]
    )
    ears = rclpy.create_node('ears')
    images, infos = [], []
    ears.create_subscription(Image, 'image', images.append, 10)
    ears.create_subscription(CameraInfo, 'camera_info', infos.append, 10)
    executor = SingleThreadedExecutor()
    executor.add_node(camera)
    executor.add_node(ears)
    while len(images) < 6 or len(infos) < 6:
        executor.spin_once(timeout_sec=5.0)
    for node in (camera, ears):
        node.destroy_node()

    sequence = SyntheticSequence('room', 3, SIZE, 20.0, 1)
    frames = [frame.image for frame in sequence]
    heard = [np.frombuffer(message.data, np.uint8).reshape(SIZE) for message in images]
    # The first ones may be lost while both sides find each other.
    order = [next(i for i in range(3) if np.array_equal(frames[i], picture)) for picture in heard]
    assert all(abs(a - b) == 1 for a, b in pairwise(order))
    stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in images]
    assert stamps == sorted(set(stamps))
    np.testing.assert_array_equal(camera_from_info(infos[-1]).matrix, sequence.camera.matrix)


def test_an_imu_goes_with_the_camera_and_its_place_with_tf(monkeypatch):
    sent = []
    module = ModuleType('tf2_ros')
    module.StaticTransformBroadcaster = lambda node: SimpleNamespace(sendTransform=sent.append)
    monkeypatch.setitem(sys.modules, 'tf2_ros', module)
    settings = {**SETTINGS, 'with_imu': True, 'rate': 10.0}
    camera = RenderedCamera(
        parameter_overrides=[Parameter(name, value=value) for name, value in settings.items()]
    )
    images, measured = [], []
    camera._camera.publish = lambda image, stamp: images.append(stamp)
    camera._imu._publisher = SimpleNamespace(publish=measured.append)
    for _ in range(4):
        camera._publish_next()
    camera.destroy_node()

    assert np.diff(images).tolist() == [SECOND // 10, SECOND // 10]
    stamps = np.array([nanoseconds(message.header.stamp) for message in measured])
    assert (np.diff(stamps) > 0).all()
    assert stamps[0] <= images[0] < images[-1] <= stamps[-1]
    assert np.median(np.diff(stamps)) == pytest.approx(SECOND / 200, rel=0.01)
    lengths = [np.linalg.norm(list(vector_of(m.linear_acceleration))) for m in measured]
    assert np.median(lengths) == pytest.approx(9.81, abs=1.5)
    (transform,) = sent
    assert transform.header.frame_id == measured[0].header.frame_id == 'imu_link'
    assert transform.child_frame_id == 'camera_optical_frame'
    assert np.allclose(matrix(transform.transform), camera._sequence.imu.imu_from_camera)


def vector_of(vector):
    return vector.x, vector.y, vector.z


def test_forth_and_back():
    assert list(islice(forth_and_back(4), 9)) == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert list(islice(forth_and_back(2), 5)) == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ('setting', 'words'),
    [('scene:=moon', 'moon'), ('frames:=1', 'frames'), ('rate:=0.0', 'rate')],
)
def test_bad_settings_end_the_camera_with_the_reason(setting, words):
    result = subprocess.run(
        [sys.executable, '-m', 'loftr_vo.ros.rendered_camera', '--ros-args', '-p', setting],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert words in result.stderr
    assert 'Traceback' not in result.stderr
