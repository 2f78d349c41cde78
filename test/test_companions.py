# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of every kind deliver what the scale needs besides the pictures."""

import json
import shutil

import cv2
import numpy as np
import pytest
import recordings
import yaml
from recordings import HEIGHT, MATRIX, STAMPS, WIDTH

from loftr_vo.cli.main import main
from loftr_vo.config import SCALE_SOURCES
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.datasets.companions import nearest
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.stereo_extrinsics import right_from_left
from loftr_vo.synthetic.sensors import FARTHEST, depth_camera
from loftr_vo.synthetic.sequence import SyntheticSequence

BASELINE = 0.25
PROJECTION = [60.0, 0.0, 32.0, -60.0 * BASELINE, 0.0, 60.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]
DEPTH = np.full((HEIGHT, WIDTH), 1500, np.uint16)  # millimetres


def opened(path, source):
    sequence = open_sequence(path)
    sequence.provide(source)
    return sequence


def rights(frames):
    assert all(np.array_equal(frame.right.image, frame.image) for frame in frames)
    return frames[0].right


# --- folders


def write_depth(path, factor=1.0):
    path.mkdir()
    for picture in (path.parent / 'images').iterdir():
        cv2.imwrite(str(path / picture.name), (DEPTH * factor).astype(np.uint16))


@pytest.fixture
def folder(tmp_path):
    return recordings.write_folder(tmp_path / 'walk')


def test_depth_in_a_folder(folder):
    write_depth(folder / 'depth')
    (folder / 'depth' / 'frame9.png').unlink()
    frames = list(opened(folder, 'depth'))
    assert frames[0].depth == pytest.approx(np.full((HEIGHT, WIDTH), 1.5))
    assert [frame.depth is None for frame in frames] == [False, True, False, False, False]


def test_nothing_is_read_that_was_not_asked_for(folder):
    write_depth(folder / 'depth')
    assert all(frame.depth is None for frame in open_sequence(folder))


def test_right_pictures_in_a_folder(folder):
    shutil.copytree(folder / 'images', folder / 'right')
    fields = recordings.calibration() | {'projection_matrix': {'data': PROJECTION}}
    (folder / 'right_camera.yaml').write_text(yaml.safe_dump(fields))
    right = rights(list(opened(folder, 'stereo')))
    assert right.right_from_left[0, 3] == pytest.approx(-BASELINE)


def test_a_right_camera_without_projection_says_so(folder):
    shutil.copytree(folder / 'images', folder / 'right')
    (folder / 'right_camera.yaml').write_text(yaml.safe_dump(recordings.calibration()))
    with pytest.raises(CalibrationError, match='projection_matrix'):
        opened(folder, 'stereo')
    # Who needs no right camera is not stopped by it.
    assert len(list(open_sequence(folder))) == 5


def test_odometry_in_a_folder_comes_with_the_frames_in_time(folder):
    between = [stamp - 40_000_000 for stamp in STAMPS]
    (folder / 'odometry.txt').write_text(recordings.tum_lines(sorted([*STAMPS, *between])))
    frames = list(opened(folder, 'odometry'))
    assert [len(frame.wheels) for frame in frames] == [2] * 5
    assert frames[1].wheels[-1].stamp == STAMPS[1]
    assert frames[1].wheels[-1].pose[0, 3] == 3.0


@pytest.mark.parametrize(
    ('source', 'what'), [('depth', 'depth'), ('stereo', 'right pictures'), ('imu', 'an IMU')]
)
def test_what_is_not_there_is_said_before_the_run(folder, source, what):
    with pytest.raises(DatasetError, match=f'has no .*{what}'):
        opened(folder, source)
    opened(folder, 'camera_height')


def test_a_depth_image_of_eight_bits_is_refused(folder):
    (folder / 'depth').mkdir()
    for picture in (folder / 'images').iterdir():
        cv2.imwrite(str(folder / 'depth' / picture.name), np.zeros((4, 4), np.uint8))
    with pytest.raises(DatasetError, match='16 bits'):
        list(opened(folder, 'depth'))


# --- the layouts of data sets


def test_kitti_stereo(tmp_path):
    path = recordings.write_kitti(tmp_path)
    shutil.copytree(path / 'image_0', path / 'image_1')
    left = ' '.join(f'{value:g}' for value in [*PROJECTION[:3], 0.0, *PROJECTION[4:]])
    right = ' '.join(f'{value:g}' for value in PROJECTION)
    (path / 'calib.txt').write_text(f'P0: {left}\nP1: {right}\n')
    found = rights(list(opened(path, 'stereo')))
    assert found.right_from_left[:3, 3] == pytest.approx([-BASELINE, 0, 0])


def test_euroc_stereo(tmp_path):
    path = recordings.write_euroc(tmp_path / 'V1_01_easy')
    left = path / 'mav0' / 'cam0'
    shutil.copytree(left, left.parent / 'cam1')
    settings = yaml.safe_load((left / 'sensor.yaml').read_text())
    pose = np.reshape(settings['T_BS']['data'], (4, 4))
    pose[:3, 3] += BASELINE * pose[:3, 0]  # to the right in the camera's own axes
    settings['T_BS']['data'] = pose.ravel().tolist()
    (left.parent / 'cam1' / 'sensor.yaml').write_text(yaml.safe_dump(settings))
    found = rights(list(opened(path, 'stereo')))
    assert found.right_from_left[:3, 3] == pytest.approx([-BASELINE, 0, 0])


def test_tum_depth_is_the_nearest_in_time(tmp_path):
    path = recordings.write_tum(tmp_path / 'rgbd_dataset_freiburg2_desk')
    (path / 'depth').mkdir()
    lines = ['# timestamp filename']
    for index, stamp in enumerate(STAMPS):
        if index == 2:
            stamp += 40_000_000  # too far from its picture, and from the next one
        name = f'depth/{index}.png'
        cv2.imwrite(str(path / name), np.full((480, 640), 5000 * (index + 1), np.uint16))
        lines.append(f'{recordings.seconds(stamp + 9_000_000)} {name}')
    (path / 'depth.txt').write_text('\n'.join(lines) + '\n')
    frames = list(opened(path, 'depth'))
    depths = [frame.depth for frame in frames]
    assert depths[2] is None
    assert [frame.depth_lag for frame in frames] == [9_000_000, 9_000_000, 0, 9_000_000, 9_000_000]
    assert [depth[0, 0] for depth in depths if depth is not None] == pytest.approx([1, 2, 4, 5])


def test_nearest():
    assert nearest([10, 20, 30], 24, 5) == 1
    assert nearest([10, 20, 30], 26, 5) == 2
    assert nearest([10, 20, 30], 45, 5) is None
    assert nearest([], 0, 5) is None


# --- a pair by its calibration


def test_a_pair_that_is_not_rectified_is_turned_as_its_calibration_says():
    turn = cv2.Rodrigues(np.array([0.0, 0.02, 0.0]))[0]
    motion = right_from_left(np.array(PROJECTION), np.eye(3), turn)
    assert np.allclose(motion[:3, :3], turn.T)
    # The right camera's centre lies a baseline to the right of the left one's.
    assert np.allclose(np.linalg.inv(motion)[:3, 3], [BASELINE, 0, 0])


@pytest.mark.parametrize(('shift', 'words'), [(0.0, 'no baseline'), (15.0, 'exchanged')])
def test_impossible_baselines_are_refused(shift, words):
    projection = np.array(PROJECTION)
    projection[3] = shift
    with pytest.raises(CalibrationError, match=words):
        right_from_left(projection)


# --- rendered scenes


def test_a_rendered_scene_carries_sensors_and_is_written_with_them(tmp_path, capsys):
    folder = tmp_path / 'room'
    words = ['render', 'room', '--frames', '3', '--size', '96x64', '-o', str(folder)]
    assert main([*words, '--depth', '--stereo', '--odometry', '--imu']) == 0
    sequence = open_sequence(folder)
    for source in SCALE_SOURCES:
        sequence.provide(source)
    rendered = SyntheticSequence('room', 3, (64, 96))
    exact = rendered.frame(2)
    for source in SCALE_SOURCES:
        rendered.provide(source)
    for read, made in zip(sequence, rendered, strict=True):
        assert read.depth == pytest.approx(made.depth, abs=6e-4)
        np.testing.assert_array_equal(read.right.image, made.right.image)
        assert np.allclose(read.right.right_from_left, made.right.right_from_left)
        assert [each.stamp for each in read.wheels] == [each.stamp for each in made.wheels]
        np.testing.assert_array_equal(read.imu.stamps, made.imu.stamps)
        assert np.allclose(read.imu.angular_velocity, made.imu.angular_velocity, rtol=1e-8)
        assert np.allclose(read.imu.specific_force, made.imu.specific_force, rtol=1e-8)
    np.testing.assert_allclose(sequence.imu.imu_from_camera, rendered.imu.imu_from_camera)
    assert sequence.imu.noise == rendered.imu.noise
    # The right camera sees what is at its place by the exact depth.
    known = made.depth > 0
    assert 0.3 < known.mean() < 0.98
    assert np.median(np.abs(made.depth[known] / exact.depth[known] - 1)) < 0.02


def test_a_depth_camera_has_holes_a_range_and_noise_that_grows():
    depth = np.tile(np.linspace(0.2, 12.0, 200), (150, 1))
    seen = np.stack([depth_camera(depth, np.random.default_rng(seed)) for seed in range(40)])
    assert not seen[:, depth > FARTHEST].any()
    far = seen[:, (depth > 7.5) & (depth < 8.5)]
    near = seen[:, (depth > 1.5) & (depth < 2.5)]
    noise = [np.std(each[each > 0] - np.median(each[each > 0])) for each in (near, far)]
    assert noise[1] > noise[0]
    inside = (depth > 1) & (depth < 9)
    assert 0.02 < np.mean(seen[:, inside] == 0) < 0.6


def test_wheels_slip_but_not_most_of_the_time():
    sequence = SyntheticSequence('street', 60)
    wheels, truth = sequence.wheels, sequence.ground_truth
    ratio = wheels.path_length / truth.path_length
    assert 0.97 < ratio < 1.4


# --- evaluate


def test_evaluate_scores_metres_as_metres(tmp_path, capsys):
    pytest.importorskip('evo', reason='evo is not installed')
    folder, file = tmp_path / 'room', tmp_path / 'figures.json'
    main(['render', 'room', '--frames', '8', '-o', str(folder), '--depth'])
    words = ['evaluate', str(folder), '--device', 'cpu', '--json', str(file)]
    assert main([*words, '--set', 'scale.source=depth']) == 0
    figures = json.loads(file.read_text())
    assert figures['metric'] and figures['metric_from'] == 0
    assert figures['scale'] == 1.0
    assert abs(figures['scale_error_percent']) < 3.0
    assert 0.1 < figures['scale_sigma_percent'] < 3.0
    assert 'scale error' in capsys.readouterr().out
    assert main([*words, '--set', 'scale.source=stereo']) == 2
    assert 'right pictures' in capsys.readouterr().err


def test_the_matrix_of_the_recordings_is_the_projection_s():
    assert [PROJECTION[i] for i in (0, 1, 2, 4, 5, 6, 8, 9, 10)] == MATRIX
