# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers in text of others are decimal numbers and nothing else, wherever they are read."""

import math

import numpy as np
import pytest
import recordings

from loftr_vo.cli.main import main
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.files.limited_yaml import parse_yaml
from loftr_vo.files.numbers import number, numbers, whole_number
from loftr_vo.geometry.trajectory import Trajectory, TrajectoryError, check_pose, parse_seconds
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.calibration_files import read_calibration
from loftr_vo.imaging.view_mask import check_margin


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        (3, 3.0),
        (np.float32(0.5), 0.5),
        (' -1.5e-3\n', -1.5e-3),
        ('+.5', 0.5),
        ('1.', 1.0),
        ('-inf', -math.inf),
    ],
)
def test_numbers_are_read(value, expected):
    assert number(value) == expected
    assert type(number(value)) is float
    assert math.isnan(number('NaN'))
    assert numbers([['1', 2], [3.5]]) == [[1.0, 2.0], [3.5]]


@pytest.mark.parametrize(
    'value',
    ['1_0', '\uff11\uff12', '0x10', '1:30', '', '.', 'e5', '1e', '1 2', True, None, [1], b'1', {}],
)
def test_what_is_none_is_refused(value):
    with pytest.raises(ValueError, match='is not a number'):
        number(value)
    with pytest.raises(ValueError, match='is not a whole number'):
        whole_number(value)


def test_whole_numbers_are_whole():
    assert whole_number(' -12 ') == -12
    assert whole_number(np.int64(7)) == 7
    for value in ('1.0', '1e3', 1.0, math.inf):
        with pytest.raises(ValueError, match='is not a whole number'):
            whole_number(value)


@pytest.mark.parametrize('text', ['1_0', '1_0.5', '010', '-007', '1:30', '1:30.5'])
def test_numbers_of_old_yaml_are_text(text):
    assert parse_yaml(f'a: [{text}]', 'here') == {'a': [text]}


def test_numbers_of_yaml_are_numbers():
    text = '[0, -5, 0.5, 1.5e-3, .inf, 0x1F, 10]'
    assert parse_yaml(text, 'here') == [0, -5, 0.5, 1.5e-3, math.inf, 31, 10]


def test_seconds():
    assert parse_seconds('1e1', 'here') == 10**10
    for text in ('1_0', '\uff11'):
        with pytest.raises(TrajectoryError, match='is not a time in seconds'):
            parse_seconds(text, 'here')


def test_a_trajectory(tmp_path):
    path = tmp_path / 'poses.txt'
    path.write_text('1 0 0 0 0 0 0 1\n2 1_0 0 0 0 0 0 1\n')
    with pytest.raises(TrajectoryError, match=r"poses\.txt:2: '1_0' is not a number"):
        Trajectory.read_tum(path)


def test_the_last_row_of_a_pose():
    pose = np.eye(4)
    check_pose(pose)
    check_pose(pose[:3])
    pose[3, 0] = 1e-3
    with pytest.raises(TrajectoryError, match='last row is not 0 0 0 1'):
        check_pose(pose)


@pytest.mark.parametrize(
    ('file', 'old', 'new'),
    [
        ('cam0/data.csv', str(recordings.STAMPS[0]), f'{recordings.STAMPS[0]:_}'),
        ('imu0/sensor.yaml', '1.0', '1_0.0'),
    ],
)
def test_euroc(tmp_path, file, old, new):
    path = recordings.write_euroc(tmp_path / 'V1_01_easy')
    recordings.write_euroc_imu(path)
    changed = path / 'mav0' / file
    text = changed.read_text()
    assert old in text
    changed.write_text(text.replace(old, new, 1))
    with pytest.raises(DatasetError, match=r'nanoseconds|numbers of a'):
        open_sequence(path).provide('imu')


def test_a_line_of_colmap(tmp_path):
    path = tmp_path / 'cameras.txt'
    path.write_text('1 PINHOLE 640 480 5_00 500 320 240\n')
    with pytest.raises(CalibrationError, match="'5_00' is not a number"):
        read_calibration(path)


def test_a_margin_is_of_whole_pixels():
    assert check_margin(['1', 2, np.int32(3), ' 4']) == (1, 2, 3, 4)
    for value in ('1_0', 1.5):
        with pytest.raises(ValueError, match='is not a whole number'):
            check_margin([value, 0, 0, 0])


def test_a_setting_of_the_command(capsys):
    words = ['run', 'nowhere', '--set']
    assert main([*words, 'keyframe.max_parallax=1_0']) == 2
    assert "keyframe.max_parallax must be a number, got '1_0'" in capsys.readouterr().err
    assert main([*words, 'geometry.min_inliers=1_0']) == 2
    assert "geometry.min_inliers must be a whole number, got '1_0'" in capsys.readouterr().err
