# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's own motion is told, whatever else moves the pose; else none is."""

import dataclasses

import numpy as np
import pytest
from exact_world import PERIOD, ExactMatcher, pose
from point_scenes import degrees_between
from rendered_trips import RenderedTrip
from scipy.stats import chi2
from test_relocalisation import WALK, Trip, walk

from loftr_vo.config import Settings, replace
from loftr_vo.evaluation.consistency import inside
from loftr_vo.geometry.rotation import rotation_vector
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.tracking.camera_step import Placement, step_between

SURE = 1e-8 * np.eye(6)


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


def test_a_new_start_and_the_return_have_no_step(world, elsewhere):
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
        np.testing.assert_allclose(step.translation, [0, 0, 1.0], atol=1e-9)
        assert step.covariance.argmax() == 2 * 6 + 2

    @pytest.mark.parametrize(
        'before',
        [None, placed(1.0, keyframe=3), placed(1.1), placed(1.2), placed(1.0, has_depth=False)],
        ids=['nothing before', 'another keyframe', 'same time', 'later', 'a guessed length'],
    )
    def test_what_cannot_be_compared_gives_none(self, before):
        assert step_between(before, placed(1.1), 0.0) is None


def normalised(said, steps, unit):
    """Squared errors of steps over their covariances, and of how many tracked ones none is told.

    Args:
        said: estimates of consecutive frames.
        steps: the true ones in metres; None where the camera was carried.
        unit: lengths of a metre while the scale is not known.
    """
    found, untold, metric, guessed = [], 0, False, None
    first = next(i for i, each in enumerate(said) if each.state is State.TRACKING)
    for each, true in zip(said[first + 1 :], steps[first + 1 :], strict=True):
        metric = metric or each.metric
        if each.state is not State.TRACKING:
            continue
        if each.step is None:
            untold += 1
            continue
        assert true is not None
        if each.scale_carried and guessed is None:
            # A new map's unit is a guess; as that of the first, it is what its first step has.
            guessed = np.linalg.norm(each.step.translation) / np.linalg.norm(true[:3, 3])
            continue
        rotation = true[:3, :3]
        length = 1.0 if metric else guessed if each.scale_carried else unit
        way = length * rotation.T @ true[:3, 3] - each.step.translation
        turn = rotation_vector(each.step.motion[:3, :3].T @ rotation)
        error = np.concatenate([way, turn])
        found.append(float(error @ np.linalg.solve(each.step.covariance, error)))
    return found, untold


@pytest.mark.slow
def test_it_is_known_how_wrong_the_steps_are():
    """Keyframes, a covered lens, a new start, a return, and depth that comes late.

    In rooms and streets that no constant was chosen on.
    """
    found, untold = [], 0
    for here, elsewhere, source in (
        (('room', 7), ('street', 7), 'none'),
        (('street', 8), ('room', 8), 'depth'),
    ):
        trip = RenderedTrip(here, elsewhere, depth_from=8)
        settings = {
            'matcher.device': 'cpu',
            'matcher.image_size': 320,
            'scale.source': source,
            'recovery.restart_after': 0.45,
        }
        said = list(VisualOdometry(replace(Settings(), settings)).stream(trip.frames))
        assert said[40].restarts == 1
        first = next(i for i, each in enumerate(said) if each.state is State.TRACKING)
        unit = np.linalg.norm(said[first].pose[:3, 3]) / np.linalg.norm(trip.steps[first][:3, 3])
        errors, missing = normalised(said, trip.steps, unit)
        found += errors
        untold += missing
    assert len(found) > 70
    # One after each loss, and one where the map changes.
    assert untold <= 8
    found = np.array(found)
    assert 0.85 < inside(found) < 0.99
    assert np.mean(found > chi2.ppf(0.975, 6)) < 0.12
