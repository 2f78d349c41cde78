# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Many versions of one recording, and what they say together."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from experiments import variants
from experiments.variants import (
    Variant,
    Varied,
    darkened,
    differences,
    halved,
)
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.synthetic.sequence import SyntheticSequence


@pytest.fixture(scope='module')
def recording():
    return SyntheticSequence('room', 14, size=(120, 160), seed=2)


@pytest.fixture(scope='module')
def frames(recording):
    return list(recording)


def test_parts_begin_evenly_from_the_start_to_the_middle():
    names = {each.name: each.index for each in variants.variants_of(150)}
    assert [name for name in names if name.startswith('75 frames')] == [
        f'75 frames from {start}' for start in (0, 15, 30, 45, 60, 75)
    ]
    assert names['75 frames from 15'] == range(15, 90)
    assert list(names['second half backwards']) == list(range(149, 74, -1))


def test_what_would_be_too_short_is_left_out():
    assert {each.name for each in variants.variants_of(14)} == {
        'whole',
        'backwards',
        'dark and noisy',
        'half size',
    }


def test_backwards_the_stamps_grow_and_the_truth_goes_with_them(recording, frames):
    variant = Variant('backwards', range(13, -1, -1))
    varied = Varied(recording, frames, variant)
    shown = list(varied)
    assert np.array_equal(shown[0].image, frames[13].image)
    stamps = [each.stamp for each in shown]
    assert np.array_equal(stamps, varied.ground_truth.stamps)
    assert np.array_equal(varied.ground_truth.poses[0], recording.ground_truth.poses[13])
    back = varied.shown(varied.ground_truth)
    assert np.array_equal(back.stamps, recording.ground_truth.stamps)
    assert np.array_equal(back.poses, recording.ground_truth.poses)


def test_half_size_sees_the_same_points_half_as_far(frames):
    point = np.array([[0.3, -0.2, 2.0]])
    small = halved(frames[0], 0)
    pixel, half = frames[0].camera.project(point), small.camera.project(point)
    assert np.allclose(half + 0.5, (pixel + 0.5) / 2)
    assert small.image.shape == (60, 80)


def test_darkness_is_the_same_for_the_same_frame(frames):
    dark = darkened(frames[3], 3).image
    assert np.array_equal(dark, darkened(frames[3], 3).image)
    assert dark.mean() == pytest.approx(frames[3].image.mean() / 4, abs=1.0)


def _walk(count, random, error=0.0):
    poses = np.tile(np.eye(4), (count, 1, 1))
    turn = np.linspace(0, 3, count)
    poses[:, :3, 3] = np.column_stack([np.sin(turn), np.cos(turn), turn])
    poses[:, :3, 3] += random.normal(0, error, (count, 3))
    return Trajectory(np.arange(count) * 10**8, poses)


def test_versions_differ_by_their_errors_and_not_by_place_and_scale():
    pytest.importorskip('evo', reason='evo is not installed')
    random = np.random.default_rng(0)
    first, second, bad = _walk(40, random), _walk(40, random), _walk(40, random, error=0.05)
    turn = Rotation.from_euler('xyz', [0.3, -1.2, 2.0]).as_matrix()
    second.poses[:, :3, 3] = 3 * second.poses[:, :3, 3] @ turn + 7
    part = Trajectory(first.stamps[20:], first.poses[20:])
    short = Trajectory(first.stamps[:4], first.poses[:4])
    apart = differences([first, second, part, bad, short])
    assert apart[:3] == pytest.approx(0.0, abs=1e-6)
    assert 1.0 < apart[3] < 5.0
    assert np.isnan(apart[4])


def test_the_table_has_a_row_for_each_and_a_summary(recording, monkeypatch, capsys):
    pytest.importorskip('evo', reason='evo is not installed')
    monkeypatch.setattr(variants, 'open_sequence', lambda path: recording)
    assert variants.main(['room', '--only', 'whole, backwards', '--device', 'cpu']) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split(' | ')[0] for row in rows] == [
        f'| {recording.name}, whole',
        f'| {recording.name}, backwards',
        f'| **{recording.name}**, median (worst) of 2',
    ]
    assert all('| 100% |' in row for row in rows)


def test_a_version_that_there_is_not_is_refused(recording, monkeypatch, capsys):
    monkeypatch.setattr(variants, 'open_sequence', lambda path: recording)
    with pytest.raises(SystemExit):
        variants.main(['room', '--only', 'upside down'])
    assert 'is called so' in capsys.readouterr().err
