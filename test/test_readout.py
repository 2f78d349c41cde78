# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How long the rows of a picture take to be read, found out from pictures of a turning camera."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.config import GeometrySettings, Settings, replace
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.rolling_shutter.model import ReadoutEstimate
from loftr_vo.odometry.rolling_shutter.pose_and_readout import refine_pose_and_readout_rotation
from loftr_vo.odometry.rolling_shutter.readout_time import ReadoutTimeEstimator
from loftr_vo.synthetic.sequence import SyntheticSequence

PERIOD = 1 / 30
READOUT = 0.025


@pytest.fixture
def random():
    return np.random.default_rng(0)


def turned_at(seconds):
    """A camera that is swung to and fro, by up to 2 rad/s."""
    return Rotation.from_rotvec([0.1 * np.sin(3 * seconds), 0.5 * np.sin(4 * seconds), 0.0])


def velocity_at(seconds):
    step = 1e-4
    before, after = turned_at(seconds - step), turned_at(seconds + step)
    return (before.inv() * after).as_rotvec() / (2 * step)


def follow_swings(shutter, readout, random, frames=60, noise=0.002, first=0):
    """Tell a shutter what pictures of a readout show; each tenth frame is a keyframe."""
    keyframe = last = None
    for index in range(first, first + frames):
        seconds = index * PERIOD
        frame = SimpleNamespace(stamp=round(seconds * 1e9) + 1)
        if keyframe is None or index % 10 == 1:
            keyframe = SimpleNamespace(frame=last or frame, readout_rotation=np.zeros(3))
            of_keyframe = velocity_at(keyframe.frame.stamp * 1e-9)
        change = readout * (velocity_at(seconds) - of_keyframe) + random.normal(0, noise, 3)
        seen = ReadoutEstimate(np.zeros(3), partial(np.copy, change), np.eye(4), np.zeros((6, 6)))
        shutter.follow(frame, turned_at(seconds).as_matrix(), keyframe, seen)
        last = frame


@pytest.mark.parametrize('readout', [0.01, 0.03, -0.02])
def test_the_readout_is_learnt_from_turns(readout, random):
    shutter = ReadoutTimeEstimator(GeometrySettings())
    assert not shutter.known
    follow_swings(shutter, readout, random)
    assert shutter.known
    assert shutter.seconds == pytest.approx(readout, abs=0.002)


def test_a_global_shutter_is_distinguished_from_a_rolling_one(random):
    shutter = ReadoutTimeEstimator(GeometrySettings())
    follow_swings(shutter, 0.0, random, frames=120)
    assert shutter.known
    assert shutter.seconds == 0.0


def test_a_few_measurements_say_nothing(random):
    shutter = ReadoutTimeEstimator(GeometrySettings())
    follow_swings(shutter, 0.03, random, frames=8)
    assert not shutter.known
    assert not np.any(shutter.expected_readout_rotation(round(8 * PERIOD * 1e9)))


def test_a_readout_of_a_few_standard_deviations_is_not_used_yet(random):
    """It may be noise; believed too early, every picture is bent by it."""
    shutter = ReadoutTimeEstimator(GeometrySettings())
    follow_swings(shutter, 0.0035, random, frames=23, noise=0.0)
    deviations = shutter._weighted / shutter._information / shutter._information**-0.5
    assert shutter._count >= 10
    assert 2.0 < deviations < 4.5
    assert shutter.seconds == 0.0
    follow_swings(shutter, 0.0035, random, frames=60, noise=0.0, first=23)
    assert shutter.seconds == pytest.approx(0.0035, abs=0.0005)


@pytest.mark.parametrize('seed', range(5))
def test_measurements_that_contradict_each_other_say_nothing(seed):
    shutter = ReadoutTimeEstimator(GeometrySettings())
    follow_swings(shutter, 0.0, np.random.default_rng(seed), frames=40, noise=0.05)
    assert not shutter.known
    assert shutter.seconds == 0.0


def test_the_next_rotation_is_predicted_from_the_last_velocity(random):
    shutter = ReadoutTimeEstimator(GeometrySettings(readout_time=READOUT))
    follow_swings(shutter, READOUT, random, frames=40)
    now = READOUT * velocity_at(40 * PERIOD)
    found = shutter.expected_readout_rotation(round(40 * PERIOD * 1e9))
    assert found == pytest.approx(now, abs=0.01)
    assert np.linalg.norm(now) > 0.02


def test_the_rotation_of_an_earlier_picture_is_that_of_its_own_velocity(random):
    shutter = ReadoutTimeEstimator(GeometrySettings(readout_time=READOUT))
    follow_swings(shutter, READOUT, random, frames=40)
    seconds = 20 * PERIOD
    there = shutter.readout_rotation_at(round(seconds * 1e9) + 1)
    assert there == pytest.approx(READOUT * velocity_at(seconds), abs=0.001)
    assert shutter.readout_rotation_at(12345) is None


def test_a_readout_that_is_given_is_not_learnt(random):
    shutter = ReadoutTimeEstimator(GeometrySettings(readout_time=0.01))
    follow_swings(shutter, 0.03, random)
    assert shutter.seconds == 0.01


def test_what_was_learnt_comes_back_when_the_setting_says_so(random):
    shutter = ReadoutTimeEstimator(GeometrySettings())
    follow_swings(shutter, 0.03, random)
    shutter.configure(GeometrySettings(readout_time=0.0))
    assert (shutter.known, shutter.seconds) == (True, 0.0)
    shutter.configure(GeometrySettings())
    assert shutter.seconds == pytest.approx(0.03, abs=0.002)


def test_no_velocity_is_taken_across_an_interruption(random):
    shutter = ReadoutTimeEstimator(GeometrySettings(readout_time=READOUT))
    follow_swings(shutter, READOUT, random, frames=20)
    shutter.interrupt()
    assert not np.any(shutter.expected_readout_rotation(round(20 * PERIOD * 1e9)))


def test_a_gyroscope_gives_the_rotation_of_a_picture_that_has_no_velocity_yet(random):
    shutter = ReadoutTimeEstimator(GeometrySettings(readout_time=READOUT))
    asked = []

    def measured(stamp, around):
        asked.append(around)
        return velocity_at(stamp * 1e-9)

    shutter.measured_rate = measured
    for index in (0, 7, 40):
        now = READOUT * velocity_at(index * PERIOD)
        expected = shutter.expected_readout_rotation(round(index * PERIOD * 1e9))
        assert expected == pytest.approx(now, abs=1e-9)
    assert set(asked) == {READOUT / 2}
    follow_swings(shutter, READOUT, random, frames=40)
    seconds = 20 * PERIOD
    there = shutter.readout_rotation_at(round(seconds * 1e9) + 1)
    assert there == pytest.approx(READOUT * velocity_at(seconds), abs=1e-6)
    # Of the time before its bias is known.
    shutter.measured_rate = lambda stamp, around: None
    now = READOUT * velocity_at(40 * PERIOD)
    found = shutter.expected_readout_rotation(round(40 * PERIOD * 1e9))
    assert found == pytest.approx(now, abs=0.01)
    assert not np.allclose(found, now, rtol=0, atol=1e-6)


@pytest.fixture(scope='module')
def swung():
    """Pictures of a rolling shutter that a hand swings, and their true poses."""
    sequence = SyntheticSequence('swing', 60, rate=30.0, readout=READOUT)
    sequence.provide('depth')
    return list(sequence), sequence.ground_truth.poses


def travelled(pictures, **settings):
    """The poses that the odometry gives, and its last estimate."""
    values = {
        'scale.source': 'depth',
        **{f'geometry.{name}': each for name, each in settings.items()},
    }
    odometry = VisualOdometry(replace(Settings(), values))
    estimates = list(odometry.stream(pictures))
    return np.stack([each.pose for each in estimates]), estimates[-1]


@pytest.fixture(scope='module')
def learnt(swung):
    """What ``travelled`` gives for them by default."""
    return travelled(swung[0])


def errors_per_frame(poses, true):
    """Median errors from frame to frame: metres and radians."""
    steps = [np.linalg.inv(each[:-1]) @ each[1:] for each in (poses, true)]
    off = np.linalg.inv(steps[0]) @ steps[1]
    turned = Rotation.from_matrix(off[:, :3, :3]).magnitude()
    return float(np.median(np.linalg.norm(off[:, :3, 3], axis=1))), float(np.median(turned))


def test_no_pose_waits_for_a_turn_that_is_not_corrected_for(swung, monkeypatch):
    measured = []

    def counted(*arguments):
        measured.append(arguments)
        return refine_pose_and_readout_rotation(*arguments)

    monkeypatch.setattr(
        'loftr_vo.odometry.rolling_shutter.readout_time.refine_pose_and_readout_rotation', counted
    )
    odometry = VisualOdometry(replace(Settings(), {'scale.source': 'depth'}))
    for picture in swung[0][:10]:
        before = len(measured)
        estimate = odometry.track(picture)
        assert np.isnan(estimate.readout_time)
        assert len(measured) == before
        odometry.finish()
    assert measured


def test_the_odometry_finds_out_and_is_several_times_more_exact(swung, learnt):
    pictures, true = swung
    poses, last = learnt
    assert last.readout_time == pytest.approx(READOUT, abs=0.003)
    moved, turned = errors_per_frame(poses, true)
    moved_as_if_global, turned_as_if_global = errors_per_frame(
        travelled(pictures, readout_time=0.0)[0], true
    )
    assert moved < moved_as_if_global / 2
    assert turned < turned_as_if_global / 3


def test_a_readout_that_is_given_is_corrected_for_from_the_start(swung, learnt):
    pictures, true = swung
    given, last = travelled(pictures[:20], readout_time=READOUT)
    assert last.readout_time == READOUT
    assert errors_per_frame(given, true[:20])[1] < errors_per_frame(learnt[0][:20], true[:20])[1]


def test_of_a_global_shutter_the_estimates_stay_as_they_were():
    sequence = SyntheticSequence('swing', 75, rate=30.0)
    pictures = list(sequence)
    odometry = VisualOdometry()
    learnt = list(odometry.stream(pictures))
    odometry = VisualOdometry(replace(Settings(), {'geometry.readout_time': 0.0}))
    as_global = list(odometry.stream(pictures))
    assert learnt[-1].readout_time == 0.0
    assert all(np.array_equal(a.pose, b.pose) for a, b in zip(learnt, as_global, strict=True))
