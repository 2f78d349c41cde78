# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's own motion is told, whatever else moves the pose; else none is."""

import dataclasses

import numpy as np
import pytest
from exact_world import PERIOD, ExactMatcher, World, pose
from point_scenes import degrees_between
from test_recovery import WALK, Trip, walk

from loftr_vo.config import Settings, replace
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.tracking.camera_step import Placement, step_between
from loftr_vo.odometry.visual_odometry import VisualOdometry

SURE = 1e-8 * np.eye(6)


@pytest.fixture(scope='module')
def world():
    return World()


@pytest.fixture(scope='module')
def elsewhere():
    return World(seed=7)


def check(said, truth, unit, first=1):
    """Compare steps told with the true ones; return of which frames, from the first on."""
    told = [i for i, each in enumerate(said) if i >= first and each.step is not None]
    for i in told:
        true = np.linalg.inv(truth[i - 1]) @ truth[i]
        way = said[i].step.motion[:3, 3] - unit * true[:3, 3]
        assert np.linalg.norm(way) < 0.15 * unit * np.linalg.norm(true[:3, 3]) + 0.002 * unit, i
        assert degrees_between(said[i].step.motion[:3, :3], true[:3, :3]) < 0.3
        assert said[i].step.seconds == pytest.approx(PERIOD)
    return told


@pytest.mark.parametrize('policy', ['hold', 'predict', 'silent'])
def test_a_pose_that_glides_back_is_no_motion_of_the_camera(world, policy):
    trip = Trip(world, **{'recovery.policy': policy, 'recovery.restart_after': 2.0})
    trip.see(world, WALK[:8])
    trip.see(None, [None] * 4)
    trip.see(world, WALK[12:18])
    told = check(trip.said, WALK, trip.unit())
    # Not of those lost, nor of the one found, which nothing leads up to.
    assert [i for i in range(1, 18) if i not in told] == [8, 9, 10, 11, 12]
    assert trip.said[0].step is None
    if policy == 'hold':
        gliding = trip.said[14].pose[:3, 3] - trip.said[13].pose[:3, 3]
        own = trip.said[14].step.motion[:3, 3]
        assert np.linalg.norm(gliding) > 1.5 * np.linalg.norm(own)


def test_of_a_new_start_and_of_the_return_none_is_told(world, elsewhere):
    trip = Trip(world, elsewhere)
    trip.see(world, WALK[:10])
    there = trip.see(elsewhere, walk(12))
    back = trip.see(world, WALK[6:14])
    start = next(i for i, each in enumerate(there) if each.state is State.INITIALISING)
    assert all(each.step is None for each in there[: start + 1])
    assert all(each.step is not None for each in there[start + 2 :])
    found = next(i for i, each in enumerate(back) if not each.scale_carried)
    assert back[found].step is None
    unit = trip.unit()
    assert check(back[found:], WALK[6 + found : 14], unit) == list(range(1, 8 - found))


def test_keyframes_and_their_refinement_are_no_motion(world):
    trip = Trip(world, **{'keyframe.max_parallax': 1.0})
    trip.see(world, WALK)
    assert len({each.keyframe_id for each in trip.said}) > 4
    assert check(trip.said, WALK, trip.unit()) == list(range(1, len(WALK)))


def test_another_unit_is_no_motion(world):
    """Depth that comes late makes the unit a metre at some keyframe."""
    settings = {'matcher.device': 'cpu', 'scale.source': 'depth', 'keyframe.max_parallax': 1.0}
    odometry = VisualOdometry(replace(Settings(), settings))
    odometry._matcher = odometry._scale._matcher = ExactMatcher(world, noise=0.1, outliers=0.0)
    film = [
        dataclasses.replace(frame, depth=None if index < 7 else frame.depth)
        for index, frame in enumerate(world.film(WALK))
    ]
    said = []
    for frame in film:
        said.append(odometry.track(frame))
        odometry.finish()
    first = next(i for i, each in enumerate(said) if each.metric)
    assert 6 < first < 14
    assert check(said, WALK, 1.0, first) == list(range(first, len(WALK)))


def placed(seconds, keyframe=0, x=0.0, variance=1e-4, has_depth=True):
    return Placement(
        round(1e9 * seconds), keyframe, pose((x, 0, 0)), variance * np.eye(6), has_depth
    )


class TestStepBetween:
    def test_it_is_the_motion_between_both(self):
        step = step_between(placed(1.0, x=0.2), placed(1.5, x=0.5), 0.0)
        assert step.seconds == 0.5
        np.testing.assert_allclose(step.motion, pose((0.3, 0, 0)), atol=1e-12)

    def test_two_poses_of_one_keyframe_have_most_of_their_errors_in_common(self):
        step = step_between(placed(1.0), placed(1.1), 0.0)
        assert (step.covariance.diagonal()[:3] < 1e-4).all()
        assert np.linalg.eigvalsh(step.covariance).min() > 0

    def test_from_the_keyframe_itself_the_errors_are_the_frames_own(self):
        start = Placement.of_keyframe(10**9, 0)
        step = step_between(start, placed(1.1), 0.0)
        assert (step.covariance.diagonal() > 0.2e-4).all()
        assert (step.covariance.diagonal() < 1e-4).all()

    def test_an_unsure_unit_makes_the_way_unsure_along_itself(self):
        step = step_between(placed(1.0, variance=1e-12), placed(1.1, x=2.0, variance=1e-12), 0.1)
        assert np.sqrt(step.covariance[0, 0]) == pytest.approx(0.1 * 2.0, rel=1e-3)
        assert np.sqrt(step.covariance[1, 1]) < 1e-3

    def test_the_axes_are_the_later_cameras(self):
        before = placed(1.0, variance=1e-12)
        turned = Placement(round(1.1e9), 0, pose((1.0, 0, 0), (90, 0, 0)), 1e-12 * np.eye(6), True)
        step = step_between(before, turned, 0.1)
        # To the right of the one before is behind the one that has turned to the right.
        np.testing.assert_allclose(step.way, [0, 0, 1.0], atol=1e-9)
        assert step.covariance.argmax() == 2 * 6 + 2

    @pytest.mark.parametrize(
        'before',
        [None, placed(1.0, keyframe=3), placed(1.1), placed(1.2), placed(1.0, has_depth=False)],
        ids=['nothing before', 'another keyframe', 'same time', 'later', 'a guessed length'],
    )
    def test_what_cannot_be_compared_gives_none(self, before):
        assert step_between(before, placed(1.1), 0.0) is None
