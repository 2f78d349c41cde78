# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth, right pictures and other odometry in bags: written, found, and paired by their stamps."""

import numpy as np
import pytest
import recordings
from scipy.spatial.transform import Rotation

from loftr_vo.cli import main
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.datasets.companion_topics import CompanionTopics
from loftr_vo.evaluation.ground_truth import TruthOptions, find_ground_truth
from loftr_vo.imaging.stereo_extrinsics import rectification, right_from_left

STAMPS = recordings.STAMPS
PAIR = [60.0, 0.0, 32.0, -6.0, 0.0, 60.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]  # 0.1 m apart


def run(*words):
    return main.main([str(word) for word in words])


def test_everything_of_a_folder_comes_back_from_its_bag(tmp_path):
    scene = ['--frames', 6, '--size', '64x48', '--depth', '--stereo', '--odometry', '--imu']
    assert run('render', 'room', '-o', tmp_path / 'walk', *scene) == 0
    assert run('record', tmp_path / 'walk', '-o', tmp_path / 'bag') == 0
    folder, bag = open_sequence(tmp_path / 'walk'), open_sequence(tmp_path / 'bag')
    for sequence in (folder, bag):
        for source in ('depth', 'stereo', 'odometry', 'imu'):
            sequence.provide(source)
    wheels = 0
    for wanted, found in zip(folder, bag, strict=True):
        assert found.stamp == wanted.stamp
        np.testing.assert_array_equal(found.image, wanted.image)
        np.testing.assert_array_equal(found.depth, wanted.depth)
        np.testing.assert_array_equal(found.right.image, wanted.right.image)
        np.testing.assert_allclose(
            found.right.right_from_left, wanted.right.right_from_left, atol=1e-9
        )
        assert [each.stamp for each in found.wheels] == [each.stamp for each in wanted.wheels]
        for one, other in zip(found.wheels, wanted.wheels, strict=True):
            np.testing.assert_allclose(one.pose, other.pose, atol=1e-9)
        wheels += len(found.wheels)
        np.testing.assert_array_equal(found.imu.stamps, wanted.imu.stamps)
        np.testing.assert_array_equal(found.imu.angular_velocity, wanted.imu.angular_velocity)
        np.testing.assert_array_equal(found.imu.specific_force, wanted.imu.specific_force)
    assert wheels > 5
    np.testing.assert_allclose(bag.imu.imu_from_camera, folder.imu.imu_from_camera, atol=1e-9)
    # The wheels are not the truth, and the truth not the wheels.
    truth = find_ground_truth(bag, TruthOptions()).trajectory
    np.testing.assert_allclose(truth.poses, folder.ground_truth.poses, atol=1e-9)


def test_ground_truth_alone_is_no_source_of_scale(tmp_path):
    recordings.write_folder(tmp_path / 'walk')
    assert run('record', tmp_path / 'walk', '-o', tmp_path / 'bag') == 0
    sequence = open_sequence(tmp_path / 'bag')
    for source in ('depth', 'stereo', 'odometry', 'imu'):
        with pytest.raises(DatasetError, match=f'scale.source {source} needs'):
            sequence.provide(source)


def depth_message(bag, stamp, millimetres):
    pixels = np.full((recordings.HEIGHT, recordings.WIDTH), millimetres, np.uint16)
    message = bag.image(pixels.view(np.uint8), stamp, '16UC1')
    message.width = recordings.WIDTH
    return message


@pytest.fixture
def write(tmp_path):
    """Write a bag of pictures and of messages given as (time of recording, topic, message)."""

    def write_with(make):
        with recordings.Bag(tmp_path / 'bag') as bag:
            entries = list(make(bag))
            for stamp, picture in zip(STAMPS, recordings.pictures(), strict=True):
                entries.append((stamp, '/left/camera_info', bag.camera_info(stamp)))
                entries.append((stamp, '/left/image_raw', bag.image(picture, stamp)))
            for received, topic, message in sorted(entries, key=lambda entry: entry[0]):
                bag.write(topic, message, received)
        return tmp_path / 'bag'

    return write_with


def test_depth_belongs_to_the_picture_nearest_in_time(write):
    """One a little early, one late and recorded late, one too far away, two for one picture."""
    shifts = {0: [-19_000_000], 1: [19_000_000], 2: [30_000_000], 3: [-9_000_000, 4_000_000]}

    def make(bag):
        for index, around in shifts.items():
            for shift in around:
                stamp = STAMPS[index] + shift
                message = depth_message(bag, stamp, 1000 * (index + 1) + abs(shift) // 1_000_000)
                yield stamp + 70_000_000, '/depth/image_rect', message

    sequence = open_sequence(write(make))
    assert sequence.image_topic == '/left/image_raw'
    sequence.provide('depth')
    frames = list(sequence)
    depths = [None if each.depth is None else each.depth[5, 5] for each in frames]
    assert [each.depth_lag for each in frames[:4]] == [-19_000_000, 19_000_000, 0, 4_000_000]
    assert depths[2] is None
    assert depths[4] is None
    np.testing.assert_allclose([depths[0], depths[1], depths[3]], [1.019, 2.019, 4.004], rtol=1e-6)


def test_depth_that_stops_does_not_stop_the_pictures(write):
    def make(bag):
        yield STAMPS[0], '/depth/image_rect', depth_message(bag, STAMPS[0], 1500)

    sequence = open_sequence(write(make))
    sequence.provide('depth')
    frames = list(sequence)
    assert [frame.stamp for frame in frames] == STAMPS
    assert [frame.depth is None for frame in frames] == [False, True, True, True, True]


def test_right_camera_is_known_by_its_baseline(write):
    def make(bag):
        for stamp, picture in zip(STAMPS, recordings.pictures(), strict=True):
            info = bag.camera_info(stamp)
            info.p[:] = PAIR
            yield stamp, '/right/camera_info', info
            yield stamp, '/right/image_raw', bag.image(picture[:, ::-1].copy(), stamp)

    path = write(make)
    sequence = open_sequence(path)
    assert sequence.image_topic == '/left/image_raw'
    sequence.provide('stereo')
    for frame, picture in zip(sequence, recordings.pictures(), strict=True):
        np.testing.assert_array_equal(frame.right.image, picture[:, ::-1])
        np.testing.assert_allclose(frame.right.right_from_left[:3, 3], [-0.1, 0, 0])
    swapped = open_sequence(path, image_topic='/right/image_raw')
    with pytest.raises(DatasetError, match='no right pictures'):
        swapped.provide('stereo')


def test_odometry_since_the_frame_before(write):
    times = [STAMPS[0] - 10**8, STAMPS[0], STAMPS[1] - 5, STAMPS[1] + 5, STAMPS[4] + 10]

    def make(bag):
        for number, stamp in enumerate(times):
            pose = np.eye(4)
            pose[0, 3] = number
            for topic in ('/wheels', '/other'):
                yield stamp, topic, bag.pose('Odometry', pose, stamp, 'odom')

    path = write(make)
    with pytest.raises(DatasetError, match='--odometry-topic: /other, /wheels'):
        open_sequence(path).provide('odometry')
    sequence = open_sequence(path, companions=CompanionTopics(odometry='/wheels'))
    sequence.provide('odometry')
    heard = [[each.pose[0, 3] for each in frame.wheels] for frame in sequence]
    assert heard == [[0.0, 1.0], [2.0], [3.0], [], []]
    with pytest.raises(DatasetError, match='no such topic /none; there is: /other, /wheels'):
        open_sequence(path, companions=CompanionTopics(odometry='/none')).provide('odometry')


@pytest.mark.parametrize('turn', [[0, 0, 0], [0.01, -0.02, 0.005]])
def test_pair_that_is_not_rectified_is_written_so_that_it_is_found_again(turn):
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
    motion[:3, 3] = [-0.11, 0.002 * bool(turn[0]), -0.003 * bool(turn[0])]
    left, right = rectification(motion)
    projection = np.zeros((3, 4))
    projection[0, 0], projection[0, 3] = 400.0, -400.0 * np.linalg.norm(motion[:3, 3])
    np.testing.assert_allclose(right_from_left(projection, left, right), motion, atol=1e-12)


# --- an IMU


def imu_messages(bag, change=lambda index, values: values, topic='/imu'):
    """Yield entries for ``write``; ``change`` takes and returns stamp, turn and force."""
    for index, stamp in enumerate(recordings.IMU_STAMPS):
        values = change(index, (stamp, [0.1, 0.2, 0.3], [0.0, 0.0, 9.81]))
        yield stamp, topic, bag.imu(*values)


def static_transform(bag, child='imu'):
    transform = bag.pose('TransformStamped', recordings.IMU_POSE, STAMPS[0], 'camera', child)
    message = bag.make('tf2_msgs/msg/TFMessage', transforms=[transform])
    return recordings.IMU_STAMPS[0], '/tf_static', message


def with_imu(path, **named):
    sequence = open_sequence(path, companions=CompanionTopics(**named))
    sequence.provide('imu')
    return sequence


def test_an_imu_and_its_place_are_found_in_a_bag(write):
    path = write(lambda bag: [static_transform(bag), *imu_messages(bag)])
    sequence = with_imu(path)
    np.testing.assert_allclose(
        sequence.imu.imu_from_camera, np.linalg.inv(recordings.IMU_POSE), atol=1e-9
    )
    frames = list(sequence)
    assert [len(frame.imu) for frame in frames] == [2, 12, 12, 12, 12]
    assert frames[1].imu.stamps[-2] < frames[1].stamp < frames[1].imu.stamps[-1]
    # Once more from the start.
    assert len(next(iter(sequence)).imu) == 2


def test_measurements_that_cannot_be_are_left_out(write):
    """One is not finite, one comes twice, two are exchanged, some are missing."""

    def change(index, values):
        stamp, turn, force = values
        match index:
            case 12:
                force = [np.nan, 0.0, 0.0]
            case 14:
                stamp -= 10_000_000
            case 17:
                stamp -= 15_000_000
        return stamp, turn, force

    sequence = with_imu(write(lambda bag: [static_transform(bag), *imu_messages(bag, change)]))
    assert [len(frame.imu) for frame in sequence] == [2, 12, 9, 12, 12]


def test_a_bag_that_does_not_place_its_imu_takes_a_file(write, tmp_path):
    path = write(lambda bag: [static_transform(bag, 'gripper'), *imu_messages(bag)])
    with pytest.raises(DatasetError, match=r"'imu' \(the IMU\).*--imu-calibration.*gripper"):
        with_imu(path)
    recordings.write_imu(tmp_path)
    file = tmp_path / 'extrinsics.yaml'
    # The IMU's clock is ahead by 22 ms.
    file.write_text(file.read_text() + 'timeshift_cam_imu: 0.022\n')
    sequence = with_imu(path, imu_calibration=file)
    np.testing.assert_allclose(sequence.imu.imu_from_camera, recordings.IMU_POSE, atol=1e-12)
    assert sequence.imu.noise == recordings.IMU_NOISE
    for frame in sequence:
        assert frame.imu.stamps[-2] < frame.stamp < frame.imu.stamps[-1]
        assert (frame.imu.stamps[0] + 22_000_000) in recordings.IMU_STAMPS


def test_several_imus_are_asked_for(write):
    path = write(
        lambda bag: [
            static_transform(bag),
            *imu_messages(bag),
            *imu_messages(bag, topic='/base/imu'),
        ]
    )
    with pytest.raises(DatasetError, match='--imu-topic: /base/imu, /imu'):
        with_imu(path)
    assert len(list(with_imu(path, imu='/base/imu'))) == len(STAMPS)


def test_forces_in_g_are_refused_before_the_run(write):
    def change(index, values):
        return values[0], values[1], [0.0, 0.0, 1.0]

    path = write(lambda bag: [static_transform(bag), *imu_messages(bag, change)])
    with pytest.raises(DatasetError, match=r'/imu: the specific force is given in g'):
        with_imu(path)
