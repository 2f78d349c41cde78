# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Trajectories and the TUM format."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.trajectory import (
    Trajectory,
    TrajectoryError,
    format_seconds,
    parse_seconds,
)


def random_trajectory(count=20, start=1311868169163497925):
    rng = np.random.default_rng(3)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, random_state=4).as_matrix()
    poses[:, :3, 3] = rng.normal(size=(count, 3)) * 10
    return Trajectory(start + np.arange(count) * 33333333, poses)


def test_what_is_written_is_read_back(tmp_path):
    trajectory = random_trajectory()
    trajectory.write_tum(tmp_path / 'a.txt')
    again = Trajectory.read_tum(tmp_path / 'a.txt')
    np.testing.assert_array_equal(again.stamps, trajectory.stamps)
    np.testing.assert_allclose(again.poses, trajectory.poses, atol=1e-7)


@pytest.mark.parametrize(
    ('text', 'stamp'),
    [
        ('1311868169.163497925', 1311868169163497925),
        ('0.1', 100000000),
        ('1e-9', 1),
        ('-2.5', -2500000000),
        ('9007199254.740993001', 9007199254740993001),
    ],
)
def test_nanoseconds_survive(text, stamp):
    assert parse_seconds(text, '') == stamp
    assert parse_seconds(format_seconds(stamp), '') == stamp


def test_quaternions_of_any_length_make_rotations(tmp_path):
    (tmp_path / 'a.txt').write_text('# comment\n\n1.0 1 2 3 0 0 2 2\n')
    pose = Trajectory.read_tum(tmp_path / 'a.txt').poses[0]
    wanted = [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(pose, wanted, atol=1e-12)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('2.0 1 2 3 0 0 1', 'expected 8 values.*found 7'),
        ('2.0 1 2 x 0 0 0 1', "'x'"),
        ('soon 1 2 3 0 0 0 1', "'soon' is not a time"),
        ('nan 1 2 3 0 0 0 1', "'nan' is not a time"),
        ('2.0 1 2 inf 0 0 0 1', 'not finite'),
        ('2.0 1 2 3 0 0 0 0', 'quaternion is zero'),
        ('1.0 1 2 3 0 0 0 1', 'not after'),
    ],
)
def test_malformed_line_is_named(tmp_path, line, message):
    (tmp_path / 'a.txt').write_text(f'# comment\n1.0 0 0 0 0 0 0 1\n{line}\n')
    with pytest.raises(TrajectoryError, match=rf'a\.txt:3.*{message}'):
        Trajectory.read_tum(tmp_path / 'a.txt')


def test_absent_and_empty_files(tmp_path):
    with pytest.raises(TrajectoryError, match='cannot read'):
        Trajectory.read_tum(tmp_path / 'none.txt')
    (tmp_path / 'a.txt').write_text('# only a comment\n')
    with pytest.raises(TrajectoryError, match='no poses'):
        Trajectory.read_tum(tmp_path / 'a.txt')


def test_path_length_is_the_sum_of_the_steps():
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[1, :3, 3] = [3, 4, 0]
    poses[2, :3, 3] = [3, 4, 2]
    trajectory = Trajectory(np.array([1, 2, 3]), poses)
    assert trajectory.path_length == pytest.approx(7.0)
    np.testing.assert_allclose(trajectory.distances, [0, 5, 7])
    assert Trajectory(np.empty(0), np.empty((0, 4, 4))).path_length == 0.0


def test_times_must_rise():
    with pytest.raises(TrajectoryError, match='pose 2'):
        Trajectory(np.array([1, 5, 5]), np.tile(np.eye(4), (3, 1, 1)))
