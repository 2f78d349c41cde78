# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""IMU measurements and calibrations beside pictures: folders, Kalibr's and EuRoC's files."""

import itertools
import re

import numpy as np
import pytest
import recordings
import yaml
from recordings import IMU_NOISE, IMU_POSE, IMU_STAMPS, extrinsics, imu_csv

from loftr_vo.config import Settings, replace
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.datasets.companion_topics import CompanionTopics
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.imu_calibration import read_imu_calibration

IN_MILLIMETRES = IMU_POSE * np.array([1, 1, 1, 1e3])
IN_MILLIMETRES[3, 3] = 1.0
HEADER = 'timestamp_s,gx,gy,gz,ax,ay,az'


def write_yaml(path, values):
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def folder(tmp_path):
    path = recordings.write_folder(tmp_path / 'flight')
    recordings.write_imu(path)
    return path


def opened(path, **named):
    sequence = open_sequence(path, companions=CompanionTopics(**named))
    sequence.provide('imu')
    return sequence


# --- a folder


def test_frames_carry_the_samples_since_the_frame_before(folder):
    sequence = opened(folder)
    frames = list(sequence)
    assert [len(frame.imu) for frame in frames] == [2, 12, 12, 12, 12]
    for before, frame in itertools.pairwise(frames):
        stamps = frame.imu.stamps
        assert stamps[0] < before.stamp < stamps[1]
        assert stamps[-2] < frame.stamp < stamps[-1]
    third = frames[2].imu
    assert third.angular_velocity[0].tolist() == [0.1, 0.2, 0.3]
    assert third.specific_force[0].tolist() == [IMU_STAMPS.index(third.stamps[0]), 0, 9.81]
    np.testing.assert_allclose(sequence.imu.imu_from_camera, IMU_POSE, atol=1e-12)
    assert sequence.imu.noise == IMU_NOISE


def test_without_being_asked_for_no_imu_is_read(folder):
    (folder / 'imu.csv').write_text('nonsense')
    sequence = open_sequence(folder)
    assert all(frame.imu is None for frame in sequence)
    assert sequence.imu is None


def test_a_folder_of_pictures_has_an_imu_too(tmp_path):
    path = recordings.write_folder(tmp_path / 'flight', '.')
    recordings.write_imu(path)
    assert all(frame.imu is not None for frame in opened(path))


@pytest.mark.parametrize(
    ('old', 'new', 'words'),
    [
        (HEADER, 'time,gx,gy,gz,ax,ay,az', r'imu\.csv:1: expected the header timestamp_s'),
        (',7,0,9.81', ',7,0', r'imu\.csv:9: expected 7 values, found 6'),
        (',7,0,9.81', ',7,0,up', r"imu\.csv:9: 'up' is not a number"),
        (',7,0,9.81', ',7,0,9_9.81', r"imu\.csv:9: '9_9\.81' is not a number"),
        (recordings.seconds(IMU_STAMPS[7]), '1_0', r'imu\.csv:9: .*1_0.* not a time'),
        (',7,0,9.81', ',nan,0,9.81', r'imu\.csv:9: .* beyond specific force'),
        ('0.1,0.2,0.3,7', '0.1,1e3,0.3,7', r'imu\.csv:9: .* beyond turn rate'),
        (recordings.seconds(IMU_STAMPS[7]), 'noon', r'imu\.csv:9: .*noon.* not a time'),
        (recordings.seconds(IMU_STAMPS[7]), '5', r'imu\.csv:9: the time 5 is not after'),
    ],
)
def test_a_bad_line_is_named(folder, old, new, words):
    (folder / 'imu.csv').write_text(imu_csv().replace(old, new))
    with pytest.raises(DatasetError, match=words):
        opened(folder)


def test_measurements_without_any_line_are_refused(folder):
    (folder / 'imu.csv').write_text(HEADER + '\n')
    with pytest.raises(DatasetError, match=r'imu\.csv has no samples'):
        opened(folder)


def test_forces_in_g_are_refused(folder):
    text = re.sub(r',\d+,0,9.81', ',0,0,1.0', imu_csv())
    (folder / 'imu.csv').write_text(text)
    with pytest.raises(DatasetError, match=r'imu\.csv: the specific force is given in g'):
        opened(folder)


@pytest.mark.parametrize('seconds', [86400, -86400])
def test_an_imu_on_a_clock_of_another_day_is_refused(folder, seconds):
    write_imu_shifted(folder, seconds)
    with pytest.raises(DatasetError, match=r'the IMU has no measurement of the time of the pict'):
        opened(folder)


def test_an_imu_that_measured_at_the_end_only_is_taken(folder):
    write_imu_shifted(folder, (recordings.STAMPS[-1] - IMU_STAMPS[0]) / 1e9)
    assert [len(frame.imu) for frame in opened(folder)][-1] > 0


def write_imu_shifted(folder, seconds):
    """Write the measurements with stamps that are later."""
    text = imu_csv()
    for stamp in IMU_STAMPS:
        later = recordings.seconds(stamp + round(seconds * 1e9))
        text = text.replace(f'\n{recordings.seconds(stamp)},', f'\n@{later},')
    (folder / 'imu.csv').write_text(text.replace('@', ''))


def test_measurements_without_extrinsics_say_what_is_missing(folder):
    (folder / 'extrinsics.yaml').rename(folder / 'other.yaml')
    with pytest.raises(DatasetError, match=r'neither extrinsics\.yaml nor camchain-imucam\.yaml'):
        opened(folder)
    sequence = opened(folder, imu_calibration=folder / 'other.yaml')
    assert sequence.imu.noise == IMU_NOISE


@pytest.mark.parametrize(
    ('changes', 'noise'),
    [
        ({}, IMU_NOISE),
        ({'imu.bridge': 1.0}, IMU_NOISE),
        ({'imu.gyroscope_walk': 1e-6}, ImuNoise(1.6e-4, 2.8e-3, 1e-6, 8.6e-4)),
    ],
)
def test_densities_that_are_set_win_over_those_of_a_recording(folder, changes, noise):
    sequence = open_sequence(folder)
    sequence.provide_for(replace(Settings(), {'scale.source': 'imu', **changes}))
    assert sequence.imu.noise == noise


def test_a_run_hands_the_place_of_the_imu_and_its_noise_to_the_odometry(folder):
    class Listener:
        def mount_imu(self, imu_from_camera, noise):
            self.mounted = imu_from_camera, noise

        def track(self, frame):
            raise AssertionError('no frame is run')

    listener, sequence = Listener(), opened(folder)
    run_sequence(sequence, listener, progress=lambda frames: [])
    np.testing.assert_allclose(listener.mounted[0], IMU_POSE, atol=1e-12)
    assert listener.mounted[1] == IMU_NOISE


# --- calibrations


@pytest.mark.parametrize(
    ('chain', 'imu'),
    [
        ('camchain-imucam.yaml', 'imu.yaml'),
        # As older and newer versions name them.
        ('camchain-imucam-walk.yaml', 'imu-walk.yaml'),
        ('walk-camchain-imucam.yaml', 'walk-imu.yaml'),
    ],
)
def test_kalibr_states_the_inverse_a_shift_of_the_clock_and_noise_beside_it(folder, chain, imu):
    (folder / 'extrinsics.yaml').unlink()
    camera = {'T_cam_imu': np.linalg.inv(IMU_POSE).tolist(), 'timeshift_cam_imu': 0.02}
    write_yaml(folder / chain, {'cam0': camera})
    noise = {
        'gyroscope_noise_density': 1e-4,
        'accelerometer_noise_density': 2e-3,
        'gyroscope_random_walk': 3e-5,
        'accelerometer_random_walk': 4e-4,
    }
    write_yaml(folder / imu, {'imu0': {'rostopic': '/imu', 'update_rate': 100.0, **noise}})
    sequence = opened(folder)
    np.testing.assert_allclose(sequence.imu.imu_from_camera, IMU_POSE, atol=1e-12)
    assert sequence.imu.noise == IMU_NOISE
    first = next(iter(sequence))
    # t_imu = t_cam + shift.
    assert first.imu.stamps[0] == IMU_STAMPS[0] - 20_000_000


def test_of_several_cameras_one_is_named(tmp_path):
    cameras = {f'cam{n}': {'T_cam_imu': np.eye(4).tolist()} for n in range(2)}
    cameras['cam1']['T_cam_imu'][0][3] = -0.11
    path = write_yaml(tmp_path / 'camchain-imucam.yaml', cameras)
    with pytest.raises(CalibrationError, match=r'several cameras: name one.*cam0, cam1'):
        read_imu_calibration(path)
    with pytest.raises(CalibrationError, match="no camera 'cam2'"):
        read_imu_calibration(f'{path}:cam2')
    assert read_imu_calibration(f'{path}:cam1').imu_from_camera[0, 3] == pytest.approx(0.11)


def test_a_rotation_of_a_few_digits_is_made_exact(tmp_path):
    path = write_yaml(tmp_path / 'e.yaml', {'T_imu_cam': np.round(IMU_POSE, 3).tolist()})
    found = read_imu_calibration(path)
    turn = found.imu_from_camera[:3, :3]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert found.noise is None


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'T_imu_cam': None}, 'T_imu_cam'),
        ({'T_imu_cam': [1.0] * 16}, 'T_imu_cam: .*no rotation'),
        ({'T_imu_cam': [1.0] * 12}, 'T_imu_cam: expected the 16 numbers'),
        ({'T_imu_cam': IN_MILLIMETRES.tolist()}, 'must be in metres'),
        ({'T_imu_cam': np.vstack([IMU_POSE[:3], [[0, 0, 0.1, 1]]]).tolist()}, 'not 0 0 0 1'),
        (
            {'T_imu_cam': [['1_0', *IMU_POSE[0, 1:].tolist()], *IMU_POSE[1:].tolist()]},
            "'1_0' is not a num",
        ),
        ({'T_imu_cam': [[True, 0, 0, 0], *np.eye(4)[1:].tolist()]}, 'True is not a number'),
        ({'T_cam_imu': IMU_POSE.tolist()}, 'T_imu_cam is not the inverse of T_cam_imu'),
        (
            {'gyro_noise_density': 0.0},
            'gyro_noise_density is 0, but must be within 1e-07 to 1 r',
        ),
        ({'accel_noise_density': 1e-300}, 'accel_noise_density is 1e-300, but must be within'),
        ({'gyro_random_walk': '1_0'}, "gyro_random_walk: '1_0' is not a number"),
        ({'accel_random_walk': 'low'}, "accel_random_walk: 'low' is not a number"),
        ({'timeshift_cam_imu': 12.0}, 'must be in seconds'),
    ],
)
def test_an_impossible_calibration_is_refused(tmp_path, changes, words):
    path = write_yaml(tmp_path / 'e.yaml', {**extrinsics(), **changes})
    with pytest.raises(CalibrationError, match=f'{path}.*{words}'):
        read_imu_calibration(path)


def test_a_pose_and_its_inverse_may_both_be_stated(tmp_path):
    inverse = np.round(np.linalg.inv(IMU_POSE), 4).tolist()
    path = write_yaml(tmp_path / 'e.yaml', {**extrinsics(), 'T_cam_imu': inverse})
    np.testing.assert_allclose(read_imu_calibration(path).imu_from_camera, IMU_POSE, atol=1e-12)


def test_a_missing_field_is_named(tmp_path):
    values = extrinsics()
    del values['gyro_random_walk']
    with pytest.raises(CalibrationError, match='gyro_random_walk is missing'):
        read_imu_calibration(write_yaml(tmp_path / 'e.yaml', values))
    with pytest.raises(CalibrationError, match='T_imu_cam is missing'):
        read_imu_calibration(write_yaml(tmp_path / 'e.yaml', {'rate_hz': 200}))


# --- EuRoC


def test_euroc(tmp_path):
    path = recordings.write_euroc(tmp_path / 'V1_01_easy')
    recordings.write_euroc_imu(path)
    sequence = opened(path)
    # The camera is a metre ahead of the body, which the IMU is half a metre above.
    np.testing.assert_allclose(sequence.imu.imu_from_camera[:3, 3], [1.0, 0.0, -0.5])
    assert sequence.imu.noise == IMU_NOISE
    assert [len(frame.imu) for frame in sequence] == [2, 12, 12, 12, 12]
    with (path / 'mav0' / 'imu0' / 'data.csv').open('a') as file:
        file.write('12,0,0\n')
    with pytest.raises(DatasetError, match=r'data\.csv:47: expected 7 values'):
        opened(path)


def test_euroc_without_an_imu_says_so(tmp_path):
    with pytest.raises(DatasetError, match='has no measurements of an IMU'):
        opened(recordings.write_euroc(tmp_path / 'V1_01_easy'))
