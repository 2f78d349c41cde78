# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node with a calibration file, with a mask, and with compressed depth."""

import struct

import cv2
import numpy as np
import pytest
import yaml

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from test_node import FAILURE, SECOND, SUCCESS, Rig

from loftr_vo.ros import messages

OK = DiagnosticStatus.OK
CALIBRATION = {
    'image_width': 32,
    'image_height': 24,
    'camera_matrix': {'rows': 3, 'cols': 3, 'data': [30.0, 0, 16, 0, 31.0, 12, 0, 0, 1]},
    'distortion_model': 'plumb_bob',
    'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [0.0] * 5},
}
KALIBR = """cam0:
  camera_model: pinhole
  distortion_coeffs: [0.0, 0.0, 0.0, 0.0]
  distortion_model: radtan
  intrinsics: [10.0, 10.0, 16.0, 12.0]
  resolution: [32, 24]
cam1:
  camera_model: pinhole
  distortion_coeffs: [0.01, 0.0, 0.0, 0.0]
  distortion_model: equidistant
  intrinsics: [30.0, 31.0, 16.0, 12.0]
  resolution: [32, 24]
"""


@pytest.fixture
def make_rig():
    rigs = []

    def make(**options):
        rigs.append(Rig(queue_policy='all', **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def start(rig):
    """Activate a node that does not subscribe to camera_info."""
    assert rig.node.trigger_configure() == SUCCESS
    assert rig.node.trigger_activate() == SUCCESS
    rig.until(rig.images.get_subscription_count)
    rig.until(lambda: rig.camera.count_publishers('odom'))


def test_a_camera_without_camera_info_is_tracked_by_its_file(make_rig, tmp_path):
    file = tmp_path / 'ost.yaml'
    file.write_text(yaml.safe_dump(CALIBRATION))
    rig = make_rig(calibration_file=str(file))
    start(rig)
    assert rig.infos.get_subscription_count() == 0
    rig.track(SECOND)
    rig.until(rig.says(OK, 'tracking'))
    assert rig.odometry.frames[-1].camera.matrix[1, 1] == 31.0
    assert rig.value('calibration') == f'{file} (ROS)'


def test_a_camera_of_a_file_with_several_is_named(make_rig, tmp_path):
    file = tmp_path / 'camchain.yaml'
    file.write_text(KALIBR)
    rig = make_rig(calibration_file=f'{file}:cam1')
    start(rig)
    rig.track(SECOND)
    camera = rig.odometry.frames[-1].camera
    assert (camera.distortion_model, camera.matrix[0, 0]) == ('equidistant', 30.0)


def test_a_file_that_is_not_there_is_said_and_can_be_mended(make_rig, tmp_path):
    file = tmp_path / 'ost.yaml'
    rig = make_rig(calibration_file=str(file))
    assert rig.node.trigger_configure() == SUCCESS
    assert rig.node.trigger_activate() == FAILURE
    assert str(file) in rig.node._health.fault
    file.write_text(yaml.safe_dump(CALIBRATION))
    assert rig.node.trigger_activate() == SUCCESS
    rig.until(rig.images.get_subscription_count)
    rig.track(SECOND)


def test_one_camera_info_serves_for_all_pictures_after_it(make_rig):
    rig = make_rig()
    rig.start()
    rig.send_info()
    for second in range(1, 6):
        rig.track(second * SECOND)
    assert rig.value('calibration') == '/camera_info'


def test_a_mask_is_used_and_drawn(make_rig, tmp_path):
    mask = np.full((48, 64), 255, np.uint8)
    mask[40:] = 0
    cv2.imwrite(str(tmp_path / 'mask.png'), mask)
    rig = make_rig(mask=str(tmp_path / 'mask.png'), mask_margin=[2, 0, 0, 0])
    rig.listen(Image, 'loftr_vo/match_image')
    rig.start()
    rig.until(lambda: rig.camera.count_publishers('loftr_vo/match_image'))
    rig.send_info()
    image = Image(height=24, width=32, step=32, encoding='mono8')
    image.data = (np.full((24, 32), 200, np.uint8)).tobytes()
    image.header = messages.header(SECOND, 'camera_optical')
    rig.images.publish(image)
    rig.until(lambda: rig.stamps() == [SECOND])
    camera = rig.odometry.frames[-1].camera
    # Rows 2 to 19 are left, and 8 pixels from either edge of that rows 10 and 11.
    rows = np.column_stack([np.full(24, 16.0), np.arange(24.0)])
    assert np.flatnonzero(camera.uses(rows)).tolist() == [10, 11]
    rig.until(lambda: rig.heard['loftr_vo/match_image'])
    drawn = rig.heard['loftr_vo/match_image'][-1]
    pixels = np.frombuffer(drawn.data, np.uint8).reshape(drawn.height, drawn.width, 3)
    # The last rows are those of the pictures, enlarged, without a match drawn there.
    assert pixels[-3, 5, 0] == 60
    assert pixels[-(drawn.width // 68) * 8, 5, 0] == 200


def test_a_mask_that_cannot_be_read_is_said(make_rig):
    rig = make_rig(mask='/nowhere/mask.png')
    assert rig.node.trigger_configure() == SUCCESS
    assert rig.node.trigger_activate() == FAILURE
    assert '/nowhere/mask.png' in rig.node._health.fault


def test_compressed_depth_comes_with_its_picture(make_rig):
    rig = make_rig(**{'scale.source': 'depth', 'depth_transport': 'compressedDepth'})
    rig.odometry.mount = lambda pose: None
    depths = rig.camera.create_publisher(CompressedImage, 'depth/compressedDepth', 50)
    rig.start()
    rig.until(depths.get_subscription_count)
    rig.send_info()
    png = cv2.imencode('.png', np.full((12, 16), 2500, np.uint16))[1].tobytes()
    message = CompressedImage(format='16UC1; compressedDepth')
    message.data = struct.pack('<iff', 0, 0.0, 0.0) + png
    message.header = messages.header(SECOND, 'camera_optical')
    depths.publish(message)
    rig.track(SECOND)
    np.testing.assert_allclose(rig.odometry.frames[-1].depth, 2.5)


def test_a_latched_camera_info_is_received(make_rig):
    rig = make_rig()
    rig.camera.destroy_publisher(rig.infos)
    quality = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    rig.infos = rig.camera.create_publisher(CameraInfo, 'camera_info', quality)
    rig.send_info()
    rig.start()
    rig.track(SECOND)
