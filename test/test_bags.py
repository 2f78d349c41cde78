# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Bags out and in again, ground truth from every kind of message, scores with bounds."""

import json

import cv2
import numpy as np
import pytest
import recordings
import yaml
from scipy.spatial.transform import Rotation

from loftr_vo.cli import main
from loftr_vo.cli.truth_options import _pose
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.datasets.bag_poses import read_track
from loftr_vo.datasets.frame_tree import FrameTree, interpolate
from loftr_vo.datasets.recorded_odometry import read_recorded_odometry
from loftr_vo.evaluation.ground_truth import TruthOptions, find_ground_truth
from loftr_vo.evaluation.scoring import EvaluationError
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.trajectory import Trajectory

STAMPS = recordings.STAMPS


def path_of(count=5, twist=0.3):
    """Return (N, 4, 4) poses that turn and go on."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    angle = twist * np.arange(count)
    poses[:, :3, :3] = Rotation.from_euler(
        'zyx', np.stack([angle, 0.2 * angle, -angle], 1)
    ).as_matrix()
    poses[:, :3, 3] = np.stack([np.sin(angle), angle**2, 2 * angle], axis=1)
    return poses


def write_truth_folder(path):
    recordings.write_folder(path)
    Trajectory(np.array(STAMPS), path_of()).write_tum(path / 'groundtruth.txt')
    return path


def run(*words):
    return main.main([str(word) for word in words])


@pytest.mark.parametrize(
    'options',
    [
        [],
        ['--compression', 'chunk'],
        ['--compression', 'message', '--pictures', 'png'],
        ['--compression', 'file'],
        ['--storage', 'sqlite3', '--truth-type', 'pose'],
        ['--storage', 'sqlite3', '--compression', 'message'],
        ['--storage', 'sqlite3', '--compression', 'file', '--namespace', '/front'],
    ],
    ids=' '.join,
)
def test_recording_a_folder_loses_nothing(tmp_path, options):
    folder = open_sequence(write_truth_folder(tmp_path / 'walk'))
    assert run('record', tmp_path / 'walk', '-o', tmp_path / 'bag', *options) == 0
    bag = open_sequence(tmp_path / 'bag')
    for wanted, found in zip(folder, bag, strict=True):
        np.testing.assert_array_equal(found.image, wanted.image)
        assert found.stamp == wanted.stamp
        np.testing.assert_array_equal(found.camera.matrix, wanted.camera.matrix)
    truth = find_ground_truth(bag, TruthOptions())
    np.testing.assert_array_equal(truth.trajectory.stamps, STAMPS)
    np.testing.assert_allclose(truth.trajectory.poses, folder.ground_truth.poses, atol=1e-12)


@pytest.mark.parametrize('kind', ['kitti', 'tum', 'euroc'])
def test_recording_a_data_set(tmp_path, kind):
    write = getattr(recordings, f'write_{kind}')
    source = write(tmp_path / 'freiburg2')
    assert run('record', source, '-o', tmp_path / 'bag') == 0
    wanted, bag = open_sequence(source), open_sequence(tmp_path / 'bag')
    corners = np.array([[0.0, 0.0], [50.0, 30.0]])
    for one, other in zip(wanted, bag, strict=True):
        np.testing.assert_array_equal(other.image, one.image)
        # A lens without distortion may be written in several ways.
        np.testing.assert_array_equal(
            other.camera.undistort(corners), one.camera.undistort(corners)
        )
        assert other.stamp == one.stamp
    truth = find_ground_truth(bag, TruthOptions())
    np.testing.assert_allclose(
        truth.trajectory.poses, wanted.ground_truth.poses, rtol=0, atol=1e-12
    )
    assert truth.doubt == ''


def test_jpeg_loses_little(tmp_path):
    write_truth_folder(tmp_path / 'walk')
    assert run('record', tmp_path / 'walk', '-o', tmp_path / 'bag', '--pictures', 'jpeg') == 0
    for frame, picture in zip(open_sequence(tmp_path / 'bag'), recordings.pictures(), strict=True):
        assert 0 < np.abs(frame.image.astype(int) - picture).mean() < 2


def test_what_ros2_bag_needs_is_in_the_metadata(tmp_path):
    write_truth_folder(tmp_path / 'walk')
    assert run('record', tmp_path / 'walk', '-o', tmp_path / 'bag') == 0
    values = yaml.safe_load((tmp_path / 'bag' / 'metadata.yaml').read_text())
    values = values['rosbag2_bagfile_information']
    assert values['storage_identifier'] == 'mcap'
    assert values['duration']['nanoseconds'] == STAMPS[-1] - STAMPS[0]
    topics = {
        entry['topic_metadata']['name']: (
            entry['topic_metadata']['type'],
            entry['message_count'],
            yaml.safe_load(entry['topic_metadata']['offered_qos_profiles'])[0]['durability'],
        )
        for entry in values['topics_with_message_count']
    }
    latched, volatile = 1, 2
    assert topics == {
        '/tf_static': ('tf2_msgs/msg/TFMessage', 1, latched),
        '/camera/camera_info': ('sensor_msgs/msg/CameraInfo', 5, volatile),
        '/camera/image_raw': ('sensor_msgs/msg/Image', 5, volatile),
        '/ground_truth/odometry': ('nav_msgs/msg/Odometry', 5, volatile),
    }


def test_rendered_scene_as_a_bag(tmp_path):
    words = ['--frames', 3, '--size', '64x48', '--seed', 4]
    assert run('record', 'room', '-o', tmp_path / 'bag', *words) == 0
    assert run('render', 'room', '-o', tmp_path / 'walk', *words) == 0
    bag, folder = open_sequence(tmp_path / 'bag'), open_sequence(tmp_path / 'walk')
    for found, wanted in zip(bag, folder, strict=True):
        np.testing.assert_array_equal(found.image, wanted.image)
    truth = find_ground_truth(bag, TruthOptions()).trajectory
    np.testing.assert_allclose(truth.poses, folder.ground_truth.poses, atol=1e-7)


def test_record_refuses(tmp_path, capsys):
    write_truth_folder(tmp_path / 'walk')
    (tmp_path / 'there').mkdir()
    assert run('record', tmp_path / 'walk', '-o', tmp_path / 'there') == 2
    assert 'is there already' in capsys.readouterr().err
    words = ['--storage', 'sqlite3', '--compression', 'chunk']
    assert run('record', tmp_path / 'walk', '-o', tmp_path / 'bag', *words) == 2
    assert 'MCAP alone' in capsys.readouterr().err
    (tmp_path / 'walk' / 'images' / 'frame10.png').unlink()
    assert run('record', tmp_path / 'walk', '-o', tmp_path / 'bag') == 2
    # Half a bag is not left behind.
    assert not (tmp_path / 'bag').exists()


# Where the camera is on the robot.
BASE_FROM_CAMERA = BODY_FROM_OPTICAL @ path_of()[3]


def write_images(bag):
    for stamp, picture in zip(STAMPS, recordings.pictures(), strict=True):
        bag.write('/camera/camera_info', bag.camera_info(stamp), stamp)
        bag.write('/camera/image_raw', bag.image(picture, stamp), stamp)


@pytest.fixture
def write(tmp_path):
    """Write a bag of pictures and of what a function adds."""

    def write_with(add, name='bag'):
        with recordings.Bag(tmp_path / name) as bag:
            write_images(bag)
            add(bag)
        return tmp_path / name

    return write_with


def poses_on(topic, kind, poses=None, **options):
    def add(bag):
        for stamp, pose in zip(STAMPS, path_of() if poses is None else poses, strict=True):
            bag.write(topic, bag.pose(kind, pose, stamp, **options), stamp)

    return add


def check_camera(truth, poses=None):
    np.testing.assert_array_equal(truth.trajectory.stamps, STAMPS)
    wanted = path_of() if poses is None else poses
    np.testing.assert_allclose(truth.trajectory.poses, wanted, atol=1e-12)


@pytest.mark.parametrize(
    'kind', ['Odometry', 'TransformStamped', 'PoseStamped', 'PoseWithCovarianceStamped']
)
def test_ground_truth_of_the_camera_itself(write, kind):
    path = write(poses_on('/truth', kind, child='camera'))
    truth = find_ground_truth(open_sequence(path), TruthOptions())
    check_camera(truth)
    assert truth.source.startswith(f'/truth ({kind}')
    # These two do not say what they are the pose of.
    assert bool(truth.doubt) == kind.startswith('Pose')


@pytest.mark.parametrize('kind', ['Odometry', 'TransformStamped'])
def test_ground_truth_of_the_robot_is_carried_by_static_transforms(write, kind):
    base = path_of() @ np.linalg.inv(BASE_FROM_CAMERA)
    # By way of a frame between, and the other way round.
    arm = path_of()[2]

    def add(bag):
        poses_on('/truth', kind, base)(bag)
        links = (
            ('base_link', 'arm', arm, STAMPS[0]),
            ('arm', 'camera', np.linalg.inv(arm) @ BASE_FROM_CAMERA, STAMPS[0]),
        )
        bag.write('/tf_static', bag.transforms(*links), STAMPS[0])

    truth = find_ground_truth(open_sequence(write(add)), TruthOptions())
    check_camera(truth)
    assert 'carried to camera by static transforms' in truth.source
    assert truth.doubt == ''


def test_ground_truth_that_no_transform_carries_is_doubted_and_extrinsics_help(write):
    base = path_of() @ np.linalg.inv(BASE_FROM_CAMERA)
    path = write(poses_on('/truth', 'Odometry', base))
    truth = find_ground_truth(open_sequence(path), TruthOptions())
    check_camera(truth, base)
    assert 'no static transform leads from base_link to camera' in truth.doubt
    assert '--extrinsics' in truth.doubt
    truth = find_ground_truth(open_sequence(path), TruthOptions(extrinsics=BASE_FROM_CAMERA))
    check_camera(truth)
    assert truth.doubt == ''


def test_ground_truth_from_tf(write):
    """A frame that moves on one that moves, at other times; the camera rigid on it."""
    turn = path_of()[1]
    odom = Trajectory(np.array(STAMPS), path_of())
    early = [stamp - 5 * 10**7 for stamp in STAMPS]

    def add(bag):
        for stamp, pose in zip(STAMPS, path_of(), strict=True):
            bag.write('/tf', bag.transforms(('odom', 'base_link', pose, stamp)), stamp)
        for number, stamp in enumerate([*early, early[-1] + 10**8]):
            pose = np.eye(4)
            pose[0, 3] = number
            bag.write('/tf', bag.transforms(('map', 'odom', pose, stamp)), stamp)
        link = ('base_link', 'camera', BASE_FROM_CAMERA, STAMPS[0])
        bag.write('/tf_static', bag.transforms(link, ('other', 'x', turn, 5)), STAMPS[0])

    sequence = open_sequence(write(add))
    truth = find_ground_truth(sequence, TruthOptions(tf_frames=('odom', 'camera')))
    check_camera(truth, odom.poses @ BASE_FROM_CAMERA)
    truth = find_ground_truth(sequence, TruthOptions(tf_frames=('map', 'base_link')))
    assert 'carried to camera' in truth.source
    poses = truth.trajectory.poses @ np.linalg.inv(BASE_FROM_CAMERA)
    # Midway between two of its times, `odom` is midway between two of its places.
    found = interpolate(Trajectory(truth.trajectory.stamps, poses), np.array(STAMPS[1:4]))
    shift = [1.5, 2.5, 3.5]
    np.testing.assert_allclose(found[:, 0, 3], path_of()[1:4, 0, 3] + shift, atol=2e-2)
    with pytest.raises(DatasetError, match=r'map to x; .*base_link, camera, map, odom, other, x'):
        find_ground_truth(sequence, TruthOptions(tf_frames=('map', 'x')))


def test_several_topics_of_poses_are_asked_for(write):
    def add(bag):
        poses_on('/odom', 'Odometry', path_of() * 1.0)(bag)
        poses_on('/mocap/pose', 'PoseStamped')(bag)

    sequence = open_sequence(write(add))
    with pytest.raises(EvaluationError, match='--ground-truth-topic: /mocap/pose, /odom'):
        find_ground_truth(sequence, TruthOptions())
    assert '/odom' in find_ground_truth(sequence, TruthOptions(topic='/odom')).source
    with pytest.raises(DatasetError, match=r'no topic /x with poses; .*: /mocap/pose, /odom'):
        find_ground_truth(sequence, TruthOptions(topic='/x'))


def test_bag_without_ground_truth_says_where_it_may_come_from(write, tmp_path):
    sequence = open_sequence(write(lambda bag: None))
    with pytest.raises(EvaluationError, match='--ground-truth-tf WORLD FRAME'):
        find_ground_truth(sequence, TruthOptions())
    other = write(poses_on('/truth', 'Odometry', child='camera'), 'other')
    check_camera(find_ground_truth(sequence, TruthOptions(path=other)))
    Trajectory(np.array(STAMPS), path_of()).write_tum(tmp_path / 'truth.txt')
    truth = find_ground_truth(sequence, TruthOptions(path=tmp_path / 'truth.txt'))
    np.testing.assert_allclose(truth.trajectory.poses, path_of(), atol=1e-7)


def test_poses_that_motion_capture_lost_are_left_out(write):
    poses = path_of()
    poses[2, 0, 3] = np.nan
    track = read_track(write(poses_on('/truth', 'PoseStamped', poses)), '/truth')
    assert len(track.trajectory) == 4
    assert '1 without a pose left out' in track.source


def test_frame_tree_knows_its_limits():
    tree = FrameTree()
    tree.add('a', 'b', path_of()[1])
    tree.add('b', 'a', path_of()[1])  # a loop, which broken bags have
    tree.add('c', 'd', path_of()[2])
    assert tree.rigid('a', 'd') is None
    assert tree.rigid('nowhere', 'd') is None
    np.testing.assert_allclose(tree.rigid('d', 'c'), np.linalg.inv(path_of()[2]), atol=1e-12)
    np.testing.assert_array_equal(tree.rigid('c', 'c'), np.eye(4))
    assert tree.along_time('c', 'd') is None


def test_extrinsics_are_written_as_tf_prints_them():
    np.testing.assert_array_equal(_pose('optical'), BODY_FROM_OPTICAL)
    np.testing.assert_allclose(_pose('0 0 0 -0.5 0.5 -0.5 0.5'), BODY_FROM_OPTICAL, atol=1e-12)
    np.testing.assert_allclose(_pose('1,2,3,0,0,0,1')[:3, 3], [1, 2, 3])
    for wrong in ('1 2 3', 'left', '1 2 3 0 0 0 0'):
        with pytest.raises(Exception, match='optical'):
            _pose(wrong)


def write_estimate(path, scale=0.5, noise=0.0):
    poses = path_of()
    poses[:, :3, 3] *= scale
    poses[:, :3, 3] += noise * np.random.default_rng(0).normal(size=(5, 3))
    Trajectory(np.array(STAMPS), poses).write_tum(path)
    return path


def test_score_of_a_file(tmp_path, capsys):
    truth = write_truth_folder(tmp_path / 'walk') / 'groundtruth.txt'
    estimate = write_estimate(tmp_path / 'e.txt')
    words = ['score', estimate, '--ground-truth', truth, '--json', tmp_path / 's.json']
    assert run(*words, '--max-ate', 0.01, '--min-tracked', 100, '--frames', 5) == 0
    figures = json.loads((tmp_path / 's.json').read_text())
    assert figures['ate_percent'] < 1e-4
    assert figures['scale'] == pytest.approx(2.0, rel=1e-6)
    assert figures['rpe_rotation_deg'] < 1e-4
    captured = capsys.readouterr()
    assert 'ATE %' in captured.out
    assert captured.err == ''
    # As metres it is half too short.
    assert run(*words, '--metric', '--max-ate', 1) == 1
    assert 'more than --max-ate 1' in capsys.readouterr().err
    assert run(*words, '--frames', 10, '--min-tracked', 80) == 1
    assert '5 of 10 frames are tracked (50.0 %)' in capsys.readouterr().err


def test_score_does_not_pass_a_bound_that_it_cannot_check(tmp_path, capsys):
    """A trajectory has no pose of the frames that were lost, so it looks complete."""
    truth = write_truth_folder(tmp_path / 'walk') / 'groundtruth.txt'
    words = ['score', write_estimate(tmp_path / 'e.txt'), '--ground-truth', truth]
    assert run(*words, '--min-tracked', 1) == 1
    assert '--min-tracked 1 cannot be checked' in capsys.readouterr().err


def test_score_of_odometry_in_a_bag(write, tmp_path, capsys):
    """The robot's odometry, half as long, in a world of its own; lost in one frame."""
    start = path_of()[4]
    half = path_of() @ np.linalg.inv(BASE_FROM_CAMERA)
    half[:, :3, 3] *= 0.5
    half = start @ half
    half[3, :3, 3] += 100.0

    def add(bag):
        poses_on('/odom', 'Odometry', half)(bag)
        for stamp in STAMPS:
            state = 'lost' if stamp == STAMPS[3] else 'tracking'
            status = bag.status(stamp=stamp, state=state, scale='none (not metric)')
            bag.write('/loftr_vo/status', status, stamp)
        link = ('base_link', 'camera', BASE_FROM_CAMERA, STAMPS[0])
        bag.write('/tf_static', bag.transforms(link), STAMPS[0])
        poses_on('/truth', 'Odometry', child='camera')(bag)

    path = write(add)
    words = ['score', path, '--json', tmp_path / 's.json']
    assert run(*words) == 2
    assert '--topic; of type Odometry there is several: /odom, /truth' in capsys.readouterr().err
    assert run(*words, '--topic', '/odom', '--min-tracked', 90) == 1
    figures = json.loads((tmp_path / 's.json').read_text())
    assert (figures['frames'], figures['tracked'], figures['metric']) == (5, 4, False)
    assert figures['rpe_rotation_deg'] < 1e-6
    # The lever to the camera is not scaled, so a small error is left.
    assert figures['ate_percent'] < 15
    assert run(*words, '--ground-truth-topic', '/truth', '--min-tracked', 80) == 0


def test_evaluate_says_what_it_takes_for_the_truth(write, capsys):
    path = write(poses_on('/wheels', 'Odometry'))
    assert run('evaluate', path, '--baseline', 'lk') == 0
    error = capsys.readouterr().err
    assert 'bag: ground truth: /wheels (Odometry of base_link in world)' in error
    assert 'warning: /wheels (Odometry of base_link in world): no static transform' in error


def test_recorded_odometry_that_becomes_metric_and_falls_silent(write):
    """Not metric at first; no odometry while it is lost, only a status."""

    def add(bag):
        scales = ('none', 'metric', 'metric', 'none', 'metric')
        for number, stamp in enumerate(STAMPS):
            state = 'lost' if number == 3 else 'tracking'
            status = bag.status(stamp=stamp, state=state, scale=scales[number])
            bag.write('/loftr_vo/status', status, stamp)
            if state != 'lost':
                bag.write('/odom', bag.pose('Odometry', path_of()[number], stamp), stamp)

    recorded = read_recorded_odometry(write(add), None)
    assert (recorded.frames, recorded.tracked, recorded.metric) == (5, 4, True)
    assert recorded.track.trajectory.stamps.tolist() == [STAMPS[1], STAMPS[2], STAMPS[4]]


def test_score_needs_a_ground_truth(tmp_path, capsys):
    assert run('score', write_estimate(tmp_path / 'e.txt')) == 2
    assert '--ground-truth FILE|BAG' in capsys.readouterr().err
    assert run('score', tmp_path / 'none.txt') == 2


def test_bounds_decide_the_exit_code_of_evaluate(tmp_path, capsys):
    folder = recordings.write_folder(tmp_path / 'walk')
    words = ['evaluate', folder, '--baseline', 'lk']
    assert run(*words) == 0
    assert run(*words, '--min-tracked', 0) == 0
    for path in (folder / 'images').iterdir():
        cv2.imwrite(str(path), np.full((recordings.HEIGHT, recordings.WIDTH), 128, np.uint8))
    capsys.readouterr()
    assert run(*words, '--max-ate', 50, '--min-tracked', 50) == 1
    error = capsys.readouterr().err
    assert 'no error to hold against --max-ate' in error
    assert '0 of 5 frames are tracked (0.0 %), less than --min-tracked 50' in error


def cut(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[: round(keep * len(data))])
    return path


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('keep', [0.0, 0.05, 0.5, 0.95])
def test_bag_that_was_cut_off_is_refused(tmp_path, capsys, storage, keep):
    write_truth_folder(tmp_path / 'walk')
    run('record', tmp_path / 'walk', '-o', tmp_path / 'bag', '--storage', storage)
    suffix = {'mcap': '.mcap', 'sqlite3': '.db3'}[storage]
    cut(next((tmp_path / 'bag').glob(f'*{suffix}')), keep)
    assert run('evaluate', tmp_path / 'bag', '--baseline', 'lk') == 2
    error = capsys.readouterr().err
    assert 'loftr_vo: error:' in error
    assert str(tmp_path / 'bag') in error
    assert ('mcap recover' in error) == (storage == 'mcap')


def test_bag_with_bytes_overwritten_is_refused(tmp_path, capsys):
    write_truth_folder(tmp_path / 'walk')
    words = ['record', tmp_path / 'walk', '-o', tmp_path / 'bag', '--compression', 'chunk']
    run(*words)
    path = tmp_path / 'bag' / 'bag.mcap'
    data = bytearray(path.read_bytes())
    data[2000:4000] = bytes(2000)
    path.write_bytes(data)
    assert run('evaluate', tmp_path / 'bag', '--baseline', 'lk') == 2
    assert 'loftr_vo: error:' in capsys.readouterr().err


def test_empty_bag_and_empty_folder(tmp_path, capsys):
    with recordings.Bag(tmp_path / 'bag'):
        pass
    assert run('evaluate', tmp_path / 'bag', '--baseline', 'lk') == 2
    assert 'no image topic; its topics are: none' in capsys.readouterr().err
    (tmp_path / 'bag' / 'metadata.yaml').write_text('rosbag2_bagfile_information: 3\n')
    assert run('evaluate', tmp_path / 'bag', '--baseline', 'lk') == 2
    assert 'does not open as a bag' in capsys.readouterr().err


def test_compressed_file_of_a_bag_is_not_the_bag(tmp_path, capsys):
    write_truth_folder(tmp_path / 'walk')
    run('record', tmp_path / 'walk', '-o', tmp_path / 'bag', '--compression', 'file')
    assert run('evaluate', tmp_path / 'bag' / 'bag.mcap.zstd', '--baseline', 'lk') == 2
    assert 'give the folder that it is in' in capsys.readouterr().err


def test_bag_that_was_overwritten_says_how_much_of_it_is_left(tmp_path):
    bag = recordings.write_bag(tmp_path / 'bag')
    path = next(bag.glob('*.mcap'))
    size = path.stat().st_size
    with path.open('r+b') as file:
        file.seek(size // 4)
        file.write(np.random.default_rng(0).bytes(size // 2))
    frames = []
    with pytest.raises(
        DatasetError, match=r'of 5 messages on /camera/image_raw only \d are there'
    ):
        for frame in open_sequence(bag):
            frames.append(frame)
    assert len(frames) < 5
