# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of every kind give the frames, stamps, camera and ground truth they hold."""

import inspect
import sqlite3
from contextlib import closing

import cv2
import numpy as np
import pytest
import recordings
from paths import DATA
from recordings import MATRIX
from rosbags.rosbag1 import Writer
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys import Stores, get_typestore

from loftr_vo.datasets import DatasetError, open_sequence


def check_frames(sequence, exact_stamps=True):
    frames = list(sequence)
    assert len(frames) == len(sequence) == len(recordings.STAMPS)
    for frame, picture in zip(frames, recordings.pictures(), strict=True):
        np.testing.assert_array_equal(frame.image, picture)
    if exact_stamps:
        assert [frame.stamp for frame in frames] == recordings.STAMPS
    # A recording can be gone through again.
    assert next(iter(sequence)).stamp == frames[0].stamp


def test_sequence_folder(tmp_path):
    sequence = open_sequence(recordings.write_folder(tmp_path / 'walk'))
    assert (sequence.name, sequence.kind) == ('walk', 'sequence folder')
    # The names have no leading zeros: frame10 comes after frame9.
    check_frames(sequence)
    assert sequence.ground_truth.path_length == pytest.approx(4.0)


def test_folder_of_pictures_without_times_comes_at_30_hz(tmp_path):
    sequence = open_sequence(recordings.write_folder(tmp_path / 'walk', where='.', times=None))
    assert sequence.kind == 'folder of pictures'
    check_frames(sequence, exact_stamps=False)
    assert [frame.stamp for frame in sequence][:3] == [0, 33333333, 66666667]


def test_another_calibration_can_be_given(tmp_path):
    path = recordings.write_folder(tmp_path / 'walk')
    (path / 'camera.yaml').rename(tmp_path / 'other.yaml')
    check_frames(open_sequence(path, camera=tmp_path / 'other.yaml'))


def test_kitti(tmp_path):
    sequence = open_sequence(recordings.write_kitti(tmp_path))
    assert (sequence.name, sequence.kind) == ('06', 'KITTI odometry')
    check_frames(sequence)
    np.testing.assert_array_equal(sequence.camera.matrix.ravel(), recordings.MATRIX)
    np.testing.assert_array_equal(sequence.ground_truth.positions[3], [3, 0, 6])


def test_tum_knows_its_cameras(tmp_path):
    path = recordings.write_tum(tmp_path / 'rgbd_dataset_freiburg2_desk')
    sequence = open_sequence(path)
    assert sequence.kind == 'TUM RGB-D'
    assert [frame.stamp for frame in sequence] == recordings.STAMPS
    assert sequence.camera.matrix[0, 0] == 520.9
    assert sequence.camera.distortion[4] == 0.9172
    assert len(sequence.ground_truth) == 5


def test_tum_with_an_unknown_camera_needs_a_calibration(tmp_path):
    with pytest.raises(DatasetError, match=r'freiburg1.*--camera'):
        open_sequence(recordings.write_tum(tmp_path / 'desk'))


@pytest.mark.parametrize('inner', ['.', 'mav0'])
def test_euroc_ground_truth_is_that_of_the_camera(tmp_path, inner):
    path = recordings.write_euroc(tmp_path / 'MH_01')
    sequence = open_sequence(path / inner)
    assert (sequence.name, sequence.kind) == ('MH_01', 'EuRoC MAV')
    check_frames(sequence)
    assert sequence.camera.distortion_model == 'plumb_bob'
    pose = sequence.ground_truth.poses[2]
    # The body is at x = 2, the camera one metre ahead, looking along x with y down.
    np.testing.assert_allclose(pose[:3, 3], [3, 0, 0])
    np.testing.assert_allclose(pose[:3, 2], [1, 0, 0])
    np.testing.assert_allclose(pose[:3, 1], [0, 0, -1])


def test_video(tmp_path):
    sequence = open_sequence(recordings.write_video(tmp_path / 'walk.avi'))
    frames = list(sequence)
    assert len(frames) == len(sequence) == 5
    assert (np.diff([frame.stamp for frame in frames]) == 10**8).all()
    for frame, picture in zip(frames, recordings.pictures(), strict=True):
        assert np.abs(frame.image.astype(int) - picture).mean() < 8


@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize('topic', ['/camera/image_raw', '/camera/image_raw/compressed'])
def test_rosbag2(tmp_path, plugin, topic):
    path = recordings.write_bag(tmp_path / 'bag', plugin, [topic])
    sequence = open_sequence(path)
    assert (sequence.kind, sequence.image_topic) == ('rosbag', topic)
    check_frames(sequence)
    np.testing.assert_array_equal(sequence.camera.matrix.ravel(), recordings.MATRIX)


def test_bag_of_before_iron_has_no_message_definitions(tmp_path):
    path = recordings.write_bag(tmp_path / 'bag', StoragePlugin.SQLITE3)
    with closing(sqlite3.connect(path / 'bag.db3')) as database:
        assert database.execute('DELETE FROM message_definitions').rowcount > 0
        database.commit()
    check_frames(open_sequence(path))


def test_single_mcap_file_and_folder_without_metadata(tmp_path):
    path = recordings.write_bag(tmp_path / 'bag')
    (path / 'metadata.yaml').unlink()
    check_frames(open_sequence(path))
    check_frames(open_sequence(path / 'bag.mcap'))


def test_bag_with_several_image_topics_asks_which(tmp_path):
    topics = ['/left/image', '/right/image']
    path = recordings.write_bag(tmp_path / 'bag', topics=topics)
    with pytest.raises(DatasetError, match='--image-topic: /left/image, /right/image'):
        open_sequence(path)
    assert open_sequence(path, image_topic='/right/image').image_topic == '/right/image'


def test_depth_and_second_forms_of_pictures_are_not_asked_about(tmp_path):
    stamp, picture = recordings.STAMPS[0], recordings.pictures()[0]
    depth = np.full(picture.shape, 1500, np.uint16).view(np.uint8)
    with recordings.Bag(tmp_path / 'bag') as bag:
        bag.write('/color/camera_info', bag.camera_info(stamp), stamp)
        bag.write('/color/image_raw', bag.image(picture, stamp), stamp)
        bag.write('/color/image_raw/compressed', bag.compressed(picture, stamp), stamp)
        bag.write('/depth/image_raw', bag.image(depth, stamp, '16UC1'), stamp)
    assert open_sequence(tmp_path / 'bag').image_topic == '/color/image_raw'
    # Where they are all there is, pictures of 16 bits may be of a thermal camera.
    with recordings.Bag(tmp_path / 'hot') as bag:
        bag.write('/camera_info', bag.camera_info(stamp), stamp)
        for topic in ('/a/image', '/b/image'):
            bag.write(topic, bag.image(depth, stamp, '16UC1'), stamp)
    with pytest.raises(DatasetError, match='--image-topic: /a/image, /b/image'):
        open_sequence(tmp_path / 'hot')


def test_bag_takes_the_camera_info_beside_the_image(tmp_path):
    wrong = [50.0, 0, 32, 0, 50, 24, 0, 0, 1]
    with recordings.Bag(tmp_path / 'bag') as bag:
        stamp = recordings.STAMPS[0]
        bag.write('/a/image', bag.image(recordings.pictures()[0], stamp), stamp)
        bag.write('/a/camera_info', bag.camera_info(stamp), stamp)
        bag.write('/b/camera_info', bag.camera_info(stamp, wrong), stamp)
        bag.write('/c/image', bag.image(recordings.pictures()[0], stamp), stamp)
    assert open_sequence(tmp_path / 'bag', image_topic='/a/image').camera.focal == 60.0
    with pytest.raises(DatasetError, match='--camera-info-topic: /a/camera_info, /b/camera_info'):
        open_sequence(tmp_path / 'bag', image_topic='/c/image')
    chosen = open_sequence(
        tmp_path / 'bag', image_topic='/c/image', camera_info_topic='/b/camera_info'
    )
    assert chosen.camera.focal == 50.0


@pytest.mark.parametrize(('encoding', 'padding'), [('mono8', 7), ('rgb8', 0), ('bgr8', 5)])
def test_bag_pictures_with_padded_rows_and_colour(tmp_path, encoding, padding):
    picture = recordings.pictures()[0]
    sent = picture if encoding == 'mono8' else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    with recordings.Bag(tmp_path / 'bag') as bag:
        stamp = recordings.STAMPS[0]
        bag.write('/camera/image', bag.image(sent, stamp, encoding, padding), stamp)
        bag.write('/camera/camera_info', bag.camera_info(stamp), stamp)
    (frame,) = open_sequence(tmp_path / 'bag')
    np.testing.assert_array_equal(frame.image, picture)


def test_late_pictures_and_pictures_that_come_twice_are_left_out(tmp_path):
    stamps = recordings.STAMPS
    with recordings.Bag(tmp_path / 'bag') as bag:
        bag.write('/camera/camera_info', bag.camera_info(stamps[0]), 0)
        order = (stamps[1], stamps[1], stamps[0], stamps[2])
        for received, stamp in enumerate(order, start=1):
            bag.write('/camera/image', bag.image(recordings.pictures()[0], stamp), received)
    sequence = open_sequence(tmp_path / 'bag')
    assert [frame.stamp for frame in sequence] == [stamps[1], stamps[2]]
    assert sequence.left_out == 2


def test_calibration_may_change_along_the_bag(tmp_path):
    other = [50.0, 0, 32, 0, 50, 24, 0, 0, 1]
    with recordings.Bag(tmp_path / 'bag') as bag:
        for index, stamp in enumerate(recordings.STAMPS[:4]):
            bag.write(
                '/a/camera_info', bag.camera_info(stamp, other if index > 1 else MATRIX), stamp
            )
            bag.write('/a/image', bag.image(recordings.pictures()[0], stamp), stamp + 1)
    frames = list(open_sequence(tmp_path / 'bag'))
    assert [frame.camera.focal for frame in frames] == [60.0, 60.0, 50.0, 50.0]
    assert frames[0].camera is frames[1].camera


def test_ros_1_bag(tmp_path):
    types = get_typestore(Stores.ROS1_NOETIC)
    stamp, picture = recordings.STAMPS[0], recordings.pictures()[0]
    time = types.types['builtin_interfaces/msg/Time'](stamp // 10**9, stamp % 10**9)
    header = types.types['std_msgs/msg/Header'](seq=0, stamp=time, frame_id='camera')
    image = types.types['sensor_msgs/msg/Image'](
        header, *picture.shape, 'mono8', 0, picture.shape[1], picture.ravel()
    )
    region = types.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    info = types.types['sensor_msgs/msg/CameraInfo'](
        header,
        *(recordings.HEIGHT, recordings.WIDTH, 'plumb_bob', np.zeros(5), np.array(MATRIX)),
        *(np.eye(3).ravel(), np.zeros(12), 0, 0, region),
    )
    with Writer(tmp_path / 'walk.bag') as bag:
        for topic, message in (('/camera_info', info), ('/image', image)):
            kind = message.__msgtype__
            connection = bag.add_connection(topic, kind, typestore=types)
            bag.write(connection, stamp, types.serialize_ros1(message, kind))
    (frame,) = open_sequence(tmp_path / 'walk.bag')
    assert frame.stamp == stamp
    assert frame.camera.focal == 60.0
    np.testing.assert_array_equal(frame.image, picture)


def test_pictures_are_read_one_at_a_time(tmp_path):
    path = recordings.write_folder(tmp_path / 'walk')
    frames = iter(open_sequence(path))
    assert inspect.isgenerator(frames)
    next(frames)
    (path / 'images' / 'frame12.png').unlink()
    assert [next(frames).stamp for _ in range(3)] == recordings.STAMPS[1:4]
    with pytest.raises(DatasetError, match=r'frame12\.png'):
        next(frames)


@pytest.mark.skipif(not DATA.is_dir(), reason=f'the real sequences are not at {DATA}')
def test_real_sequences_open():
    kitti = open_sequence(DATA / 'kitti06')
    assert len(kitti) == 51
    assert kitti.ground_truth.path_length == pytest.approx(59.86, abs=0.01)
    assert next(iter(kitti)).image.shape == (370, 1226)
    desk = open_sequence(DATA / 'tum_fr2_desk')
    np.testing.assert_array_equal(
        desk.camera.distortion, [0.2312, -0.7849, -0.0033, -1e-4, 0.9172]
    )
    assert next(iter(desk)).stamp == 1311868169163497925
