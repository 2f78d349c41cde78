# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The odometry's logic on exact matches, and the whole of it on the shipped network."""

import dataclasses
import gc
import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest
from exact_world import HEIGHT, PERIOD, WIDTH, ExactMatcher, World, camera, pose
from paths import DATA
from point_scenes import degrees_apart, degrees_between

from loftr_vo.config import Settings, replace
from loftr_vo.datasets import open_sequence
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.working_size import PictureError
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.tuning import TUNING as MAP_TUNING
from loftr_vo.odometry.pose import frame_pose
from loftr_vo.odometry.pose.two_view import essential_motion
from loftr_vo.synthetic.sequence import SyntheticSequence

ON_CPU = replace(Settings(), {'matcher.device': 'cpu'})
COUNT = 14


def sideways(index):
    """Where the walking camera is at a frame: 6 cm a frame to the right, a little up and down."""
    return pose(
        (0.06 * index, 0.02 * np.sin(index / 3), 0.02 * index), (2 * np.sin(index / 8), 0, 0)
    )


WALK = [sideways(index) for index in range(COUNT)]


@pytest.fixture(scope='module')
def walk(world):
    return world.film(WALK)


@pytest.fixture(scope='module')
def elsewhere():
    """Another place altogether: frames of the same walk there, from the time 10 s on."""
    other = World(seed=7)
    return other, other.film(WALK[:10], start=10.0)


def odometry_in(*worlds, settings=ON_CPU, **exactness):
    odometry = VisualOdometry(settings)
    odometry._matcher = ExactMatcher(*worlds, **exactness)
    return odometry


def after(frame, seconds, image=None):
    """Return the frame taken ``seconds`` later, with another picture if given."""
    stamp = frame.stamp + round(seconds * 1e9)
    return dataclasses.replace(frame, stamp=stamp, image=frame.image if image is None else image)


def defocused(frame):
    return dataclasses.replace(frame, image=cv2.GaussianBlur(frame.image, (0, 0), 2))


def black(seconds):
    stamp = round(1e9 * (1 + seconds))
    return Frame(np.zeros((HEIGHT, WIDTH), np.uint8), stamp, camera())


def scales(estimates, truth):
    """Estimated over true distance from the start, of the frames that moved."""
    start = np.linalg.inv(truth[0])
    return np.array(
        [
            np.linalg.norm(each.pose[:3, 3]) / np.linalg.norm((start @ there)[:3, 3])
            for each, there in list(zip(estimates, truth, strict=True))[1:]
        ]
    )


def rotation_errors(estimates, truth):
    start = np.linalg.inv(truth[0])
    return np.array(
        [
            degrees_between((start @ there)[:3, :3], each.pose[:3, :3])
            for each, there in zip(estimates, truth, strict=True)
        ]
    )


class TestStart:
    def test_the_first_frame_is_the_origin(self, world, walk):
        first = odometry_in(world).track(walk[0])
        assert first.state is State.INITIALISING
        assert first.reason
        assert np.array_equal(first.pose, np.eye(4))
        assert first.is_keyframe
        assert first.stamp == walk[0].stamp
        assert np.array_equal(first.keyframe_image, walk[0].image)
        assert first.match_count == first.inlier_count == 0

    def test_it_tracks_once_there_is_parallax(self, world, walk):
        estimates = list(odometry_in(world).stream(walk[:3]))
        assert [each.state for each in estimates[1:]] == [State.TRACKING] * 2
        assert estimates[1].reason == ''
        assert estimates[1].parallax > 0.5

    def test_a_turn_on_the_spot_is_followed_but_gives_no_depth(self, world):
        turn = [pose(degrees=(3 * index, index, 0)) for index in range(6)]
        estimates = list(odometry_in(world).stream(world.film(turn)))
        assert all(each.state is State.INITIALISING for each in estimates)
        assert all('parallax' in each.reason for each in estimates[1:])
        assert rotation_errors(estimates, turn).max() < 1.0
        assert max(np.linalg.norm(each.pose[:3, 3]) for each in estimates) < 0.03
        assert not any(each.points.size for each in estimates)

    def test_a_turn_on_the_spot_is_followed_exactly(self, world):
        turn = [pose(degrees=(3 * index, index, 0)) for index in range(6)]
        estimates = list(odometry_in(world, outliers=0.0).stream(world.film(turn)))
        assert rotation_errors(estimates, turn).max() < 0.1
        assert max(np.linalg.norm(each.pose[:3, 3]) for each in estimates) < 0.002

    def test_sideways_motion_after_a_turn_gives_depth(self, world):
        turn = [pose(degrees=(2 * index, 0, 0)) for index in range(4)]
        moved = [pose((0.1 * index, 0, 0), (6, 0, 0)) for index in range(1, 4)]
        estimates = list(odometry_in(world).stream(world.film(turn + moved)))
        assert estimates[-1].state is State.TRACKING
        assert rotation_errors(estimates, turn + moved).max() < 0.5
        assert degrees_apart(estimates[-1].pose[:3, 3], [1.0, 0.0, 0.0]) < 10

    def test_a_camera_that_never_moved_rests_at_the_origin(self, world):
        still = world.film([pose()] * 5)
        estimates = list(odometry_in(world).stream(still))
        assert all(each.state is State.INITIALISING for each in estimates)
        assert max(np.linalg.norm(each.pose[:3, 3]) for each in estimates) < 0.005

    def test_no_start_is_lost_before_it_was_one(self, world, walk, elsewhere):
        """A scene change before any depth is known begins again, at the same pose."""
        other, frames = elsewhere
        odometry = odometry_in(world, other)
        odometry.track(walk[0])
        second = odometry.track(frames[0])
        assert second.state is State.INITIALISING
        assert 'starting anew' in second.reason
        assert np.array_equal(second.pose, np.eye(4))
        assert odometry.track(frames[2]).state is State.TRACKING


class TestTracking:
    def test_exact_matches_give_the_exact_way_at_one_scale(self, world, walk):
        settings = replace(ON_CPU, {'geometry.refine_matches': False})
        odometry = odometry_in(world, settings=settings, noise=0.0, outliers=0.0)
        estimates = list(odometry.stream(walk))
        assert all(each.state is State.TRACKING for each in estimates[1:])
        assert rotation_errors(estimates, WALK).max() < 0.15
        found = scales(estimates, WALK)
        assert np.ptp(found) < 0.01 * found.mean()
        for each, there in zip(estimates[1:], WALK[1:], strict=True):
            assert degrees_apart(each.pose[:3, 3], there[:3, 3]) < 0.5

    @pytest.mark.parametrize('refine', [True, False])
    def test_noise_leaves_the_scale_nearly_constant(self, world, walk, refine):
        settings = replace(ON_CPU, {'geometry.refine_matches': refine})
        odometry = odometry_in(world, settings=settings, outliers=0.0)
        estimates = list(odometry.stream(walk))
        found = scales(estimates, WALK)
        assert np.ptp(found) < 0.04 * found.mean()
        assert rotation_errors(estimates, WALK).max() < 0.5

    @pytest.mark.parametrize('pose_from', ['depths', 'two_views'])
    def test_other_ways_to_a_pose_lead_there_too(self, world, walk, pose_from):
        settings = replace(ON_CPU, {'geometry.pose_from': pose_from})
        odometry = odometry_in(world, settings=settings, outliers=0.0)
        estimates = list(odometry.stream(walk))
        found = scales(estimates, WALK)
        assert np.ptp(found) < 0.1 * found.mean()
        assert rotation_errors(estimates, WALK).max() < 0.5

    def test_a_few_outliers_change_next_to_nothing(self, world, walk):
        settings = replace(ON_CPU, {'geometry.refine_matches': False})
        clean, dirty = (
            list(odometry_in(world, settings=settings, outliers=share).stream(walk[:8]))
            for share in (0.0, 0.05)
        )
        for one, other in zip(clean, dirty, strict=True):
            assert degrees_between(one.pose[:3, :3], other.pose[:3, :3]) < 0.15

    def test_keyframes_give_way_without_a_jump(self, world, walk):
        estimates = list(odometry_in(world, outliers=0.0).stream(walk))
        assert estimates[-1].keyframe_id >= 2
        steps = np.linalg.norm(np.diff([each.pose[:3, 3] for each in estimates], axis=0), axis=1)
        true_steps = np.linalg.norm(np.diff([there[:3, 3] for there in WALK], axis=0), axis=1)
        ratio = steps[1:] / true_steps[1:]
        assert ratio.max() / ratio.min() < 1.3

    def test_an_estimate_is_complete_and_consistent(self, world, walk):
        *_, last = odometry_in(world).stream(walk[:4])
        assert last.inliers.shape == (last.match_count,)
        assert 0.8 * last.match_count < last.inlier_count <= last.match_count
        assert {'encode', 'match', 'geometry'} <= last.timings.keys()
        assert all(spent >= 0 for spent in last.timings.values())
        covariance = last.covariance
        assert covariance.shape == (6, 6)
        assert np.array_equal(covariance, covariance.T)
        assert np.linalg.eigvalsh(covariance).min() > 0
        assert not last.metric
        assert last.pose[:3, :3] @ last.pose[:3, :3].T == pytest.approx(np.eye(3), abs=1e-9)

    def test_the_points_are_those_of_the_scene(self, world, walk):
        settings = replace(ON_CPU, {'geometry.refine_matches': False})
        odometry = odometry_in(world, settings=settings, noise=0.0, outliers=0.0)
        estimates = list(odometry.stream(walk[:4]))
        *_, last = [each for each in estimates if each.keyframe_id == 0]
        assert last.points.dtype == np.float32
        points = last.points / scales(estimates, WALK[:4])[-1]
        assert len(points) > 500
        assert ((last.point_confidence > 0) & (last.point_confidence <= 1)).all()
        x, y = walk[0].camera.project(points).round().astype(int).T
        assert np.median(np.abs(points[:, 2] / walk[0].depth[y, x] - 1)) < 0.02

    def test_points_and_what_follows_do_not_hang_on_who_asks_for_them(self, world, walk):
        asked, unasked = [], []
        for odometry, estimates, asks in (
            (odometry_in(world), asked, True),
            (odometry_in(world), unasked, False),
        ):
            for frame in walk:
                estimates.append(odometry.track(frame))
                if asks:
                    assert estimates[-1].points.dtype == np.float32
        odometry.finish()
        assert any(len(each.points) for each in asked)
        for one, other in zip(asked, unasked, strict=True):
            np.testing.assert_array_equal(one.pose, other.pose)
            np.testing.assert_array_equal(one.points, other.points)
            np.testing.assert_array_equal(one.point_confidence, other.point_confidence)

    def test_the_keyframe_is_shown_with_its_own_points(self, world, walk):
        """Matches start in the keyframe's picture, at the pose it is said to have."""
        odometry = odometry_in(world, outliers=0.0)
        for frame, estimate in zip(walk, odometry.stream(walk), strict=True):
            if estimate.is_keyframe:
                continue
            keyframes = [each for each in walk if each.image is estimate.keyframe_image]
            assert len(keyframes) == 1
            assert keyframes[0].stamp < frame.stamp

    def test_later_frames_leave_estimates_alone(self, world, walk):
        odometry = odometry_in(world)
        kept = []
        for estimate in odometry.stream(walk):
            arrays = ('pose', 'covariance', 'points', 'keyframe_pose')
            kept.append((estimate, {name: getattr(estimate, name).copy() for name in arrays}))
        for estimate, before in kept:
            for name, value in before.items():
                assert np.array_equal(getattr(estimate, name), value), name

    def test_the_same_frames_give_the_same_poses_bit_by_bit(self, world, walk):
        odometry = odometry_in(world)
        runs = [list(odometry.stream(walk))]
        odometry.reset()
        runs.append(list(odometry.stream(walk)))
        runs.append(list(odometry_in(world).stream(walk)))
        for first, second, third in zip(*runs, strict=True):
            assert np.array_equal(first.pose, second.pose)
            assert np.array_equal(first.pose, third.pose)
            assert np.array_equal(first.covariance, third.covariance)
            assert first.keyframe_id == second.keyframe_id == third.keyframe_id

    def test_a_stream_answers_each_frame_before_it_takes_the_next(self, world, walk):
        taken = []

        def source():
            for frame in walk[:4]:
                taken.append(frame.stamp)
                yield frame

        for count, estimate in enumerate(odometry_in(world).stream(source()), start=1):
            assert len(taken) == count
            assert estimate.stamp == taken[-1]
        assert len(taken) == 4

    def test_known_depths_lead_where_ransac_does(self, world, walk, monkeypatch):
        """The short way to a pose is taken, and its poses differ by less than their errors."""
        calls = []

        def counted(*arguments, **options):
            calls.append(None)
            return essential_motion(*arguments, **options)

        monkeypatch.setattr(frame_pose, 'essential_motion', counted)
        short = list(odometry_in(world).stream(walk))
        by_ransac = len(calls)
        monkeypatch.setattr(frame_pose, 'motion_from_known_depth', lambda *_: None)
        long = list(odometry_in(world).stream(walk))
        assert by_ransac <= 3
        assert len(calls) - by_ransac >= len(walk) - 1
        for one, other in zip(short, long, strict=True):
            assert degrees_between(one.pose[:3, :3], other.pose[:3, :3]) < 0.05
            apart = np.linalg.norm(one.pose[:3, 3] - other.pose[:3, 3])
            assert apart <= 0.01 * np.linalg.norm(long[-1].pose[:3, 3])

    def test_an_estimate_is_out_before_the_keyframe_is_made(self, world, walk):
        odometry = odometry_in(world)
        became = 0
        for estimate in odometry.stream(walk):
            if estimate.is_keyframe and estimate.state is State.TRACKING:
                became += 1
                assert odometry._state.keyframes.newest.frame.stamp < estimate.stamp
                odometry.finish()
                assert odometry._state.keyframes.newest.frame.stamp == estimate.stamp
        assert became > 1

    def test_one_by_one_gives_the_poses_of_a_stream_bit_by_bit(self, world, walk):
        streamed = list(odometry_in(world).stream(walk))
        odometry = odometry_in(world)
        for frame, before in zip(walk, streamed, strict=True):
            estimate = odometry.track(frame)
            odometry.configure(odometry.settings)
            assert np.array_equal(estimate.pose, before.pose)
            assert np.array_equal(estimate.covariance, before.covariance)
            assert estimate.keyframe_id == before.keyframe_id

    def test_the_time_of_a_keyframe_is_in_the_next_estimate(self, world, walk):
        estimates = list(odometry_in(world).stream(walk))
        for before, estimate in itertools.pairwise(estimates):
            made = before.is_keyframe and before.state is State.TRACKING
            assert (estimate.timings['keyframe'] > 0) == made

    def test_each_frame_is_matched_once_whether_it_becomes_the_keyframe_or_not(
        self, world, walk, monkeypatch
    ):
        odometry, matched = odometry_in(world), []
        match = odometry._matcher.match
        monkeypatch.setattr(
            odometry._matcher, 'match', lambda *pair: matched.append(pair) or match(*pair)
        )
        estimates = list(odometry.stream(walk))
        assert sum(estimate.is_keyframe for estimate in estimates) > 3
        assert len(matched) == len(walk) - 1

    def test_a_new_keyframe_is_seen_in_the_last_ones_before_it(self, world, walk):
        odometry = odometry_in(world)
        list(odometry.stream(walk))
        *earlier, newest = odometry._state.keyframes.window
        most = MAP_TUNING.max_older_keyframes
        assert len(earlier) > most
        assert [link.other for link in newest.links] == earlier[::-1][:most]

    def test_old_keyframes_are_forgotten(self, world, walk):
        """There and back and there again: memory holds the window twice, and not the way."""
        settings = replace(ON_CPU, {'recovery.keyframes': 3, 'keyframe.max_parallax': 1.5})
        odometry = odometry_in(world, settings=settings)
        for index, frame in enumerate([*walk, *walk[-2::-1], *walk[1:]]):
            odometry.track(after(walk[0], index * PERIOD, frame.image))
        assert odometry._state.keyframe_count > 12
        gc.collect()
        alive = [each for each in gc.get_objects() if isinstance(each, Keyframe)]
        here = [each for each in alive if each.frame.image.shape == (HEIGHT, WIDTH)]
        assert len(here) <= 2 * 3 + 2


class TestRest:
    def test_a_resting_camera_keeps_its_pose_bit_by_bit(self, world, walk):
        odometry = odometry_in(world, noise=0.1, outliers=0.0)
        *_, moving = odometry.stream(walk[:4])
        still = world.film([WALK[3]] * 8, start=4 * PERIOD)
        estimates = list(odometry.stream(still))
        assert moving.reason == ''
        assert all(each.state is State.TRACKING for each in estimates)
        assert [each.reason for each in estimates[1:]] == ['resting'] * 7
        assert all(np.array_equal(each.pose, estimates[0].pose) for each in estimates)
        assert not any(each.is_keyframe for each in estimates[1:])

    def test_it_goes_on_when_the_camera_does(self, world, walk):
        odometry = odometry_in(world, noise=0.1, outliers=0.0)
        list(odometry.stream(walk[:4]))
        *_, resting = odometry.stream(world.film([WALK[3]] * 3, start=4 * PERIOD))
        again = [after(frame, 3 * PERIOD) for frame in walk[4:7]]
        moving = list(odometry.stream(again))
        assert resting.reason == 'resting'
        assert all(each.reason == '' for each in moving)
        steps = [resting, *moving]
        moved = [
            np.linalg.norm(b.pose[:3, 3] - a.pose[:3, 3]) for a, b in itertools.pairwise(steps)
        ]
        assert max(moved) / min(moved) < 1.3


class TestLost:
    def test_a_covered_lens_is_reported_at_once_and_the_pose_held(self, world, walk):
        odometry = odometry_in(world)
        *_, before = odometry.stream(walk[:5])
        covered = list(odometry.stream([black(0.5), black(1.0), black(1.5)]))
        assert all(each.state is State.LOST for each in covered)
        assert all('black' in each.reason for each in covered)
        assert all(np.array_equal(each.pose, before.pose) for each in covered)
        sure = [np.trace(each.covariance) for each in (before, *covered)]
        assert sure == sorted(sure)
        assert sure[-1] > 2 * sure[1] > 10 * sure[0]
        assert all(each.match_count == 0 for each in covered)

    def test_it_goes_on_without_a_jump_when_the_view_is_back(self, world, walk):
        odometry = odometry_in(world, outliers=0.0)
        *_, before = odometry.stream(walk[:5])
        list(odometry.stream([black(0.5), black(0.6)]))
        back = odometry.track(after(world.see(WALK[4]), 0.7))
        assert back.state is State.TRACKING
        step = np.linalg.norm(before.pose[:3, 3]) / 4
        assert np.linalg.norm(back.pose[:3, 3] - before.pose[:3, 3]) < 0.3 * step
        assert np.trace(back.covariance) < 10 * np.trace(before.covariance)
        found = [odometry.track(after(frame, 0.4)) for frame in walk[5:8]]
        assert all(each.state is State.TRACKING for each in found)
        scale = scales([before, back, *found], [WALK[0], WALK[4], *WALK[5:8]])
        assert np.ptp(scale) < 0.05 * scale.mean()

    def test_it_recovers_against_an_older_keyframe(self):
        """The newest keyframe may be the one that cannot be matched."""
        world = World()
        frames = world.film(WALK[:10])
        odometry = odometry_in(world, outliers=0.0)
        *_, before = odometry.stream(frames)
        odometry.track(black(1.0))
        newest = odometry._state.keyframes.newest
        world.forget(newest.frame.image)
        found = odometry.track(world.see(WALK[9], 1.1))
        assert found.state is State.TRACKING
        assert found.keyframe_id < newest.number
        assert found.pose[:3, 3] == pytest.approx(before.pose[:3, 3], abs=0.01)

    def test_carried_away_it_recovers_where_the_pose_was_held(self, world, walk):
        """REP 105: odom never jumps; what the last speed cannot explain moves the world."""
        odometry = odometry_in(world, outliers=0.0)
        *_, before = odometry.stream(walk)
        odometry.track(black(1.5))
        found = odometry.track(world.see(WALK[2], 1.6))
        assert found.state is State.TRACKING
        assert found.pose == pytest.approx(before.pose, abs=0.02)
        going_on = odometry.track(world.see(WALK[3], 1.7))
        moved = np.linalg.inv(found.pose) @ going_on.pose
        truth = np.linalg.inv(WALK[2]) @ WALK[3]
        assert degrees_apart(moved[:3, 3], truth[:3, 3]) < 10
        scale = np.linalg.norm(before.pose[:3, 3]) / np.linalg.norm(WALK[-1][:3, 3])
        assert np.linalg.norm(moved[:3, 3]) / np.linalg.norm(truth[:3, 3]) == pytest.approx(
            scale, rel=0.2
        )

    def test_elsewhere_it_is_lost_and_after_a_while_starts_anew(self, world, walk, elsewhere):
        other, frames = elsewhere
        odometry = odometry_in(world, other, outliers=0.0)
        *_, before = odometry.stream(walk[:8])
        settings = replace(ON_CPU, {'recovery.restart_after': 0.25})
        odometry.configure(settings)
        estimates = list(odometry.stream(frames))
        states = [each.state for each in estimates]
        assert states[:4] == [State.LOST] * 3 + [State.INITIALISING]
        assert all('matches' in each.reason for each in estimates[:3])
        assert 'starting anew' in estimates[3].reason
        assert estimates[0].pose == pytest.approx(before.pose, abs=0.02)
        assert all(np.array_equal(each.pose, estimates[0].pose) for each in estimates[:4])
        assert estimates[3].is_keyframe
        assert np.trace(estimates[3].covariance) > 10 * np.trace(before.covariance)
        assert states[4:] == [State.TRACKING] * 6
        moved = np.linalg.inv(before.pose) @ estimates[-1].pose
        truth = np.linalg.inv(WALK[3]) @ WALK[9]
        assert degrees_between(moved[:3, :3], truth[:3, :3]) < 1.0
        assert degrees_apart(moved[:3, 3], truth[:3, 3]) < 5.0
        scale_before = np.linalg.norm(before.pose[:3, 3]) / np.linalg.norm(WALK[7][:3, 3])
        scale_after = np.linalg.norm(moved[:3, 3]) / np.linalg.norm(truth[:3, 3])
        assert 0.5 < scale_after / scale_before < 2.0

    def test_elsewhere_the_pose_is_held_exactly(self, world, walk, elsewhere):
        other, frames = elsewhere
        odometry = odometry_in(world, other, outliers=0.0)
        *_, before = odometry.stream(walk[:8])
        lost = odometry.track(frames[0])
        assert lost.state is State.LOST
        assert np.array_equal(lost.pose, before.pose)

    def test_a_start_is_not_made_in_the_dark(self, world, walk):
        odometry = odometry_in(world)
        list(odometry.stream(walk[:4]))
        estimates = list(odometry.stream(black(seconds) for seconds in (1, 3, 5, 9)))
        assert all(each.state is State.LOST for each in estimates)
        assert odometry.track(after(walk[4], 10)).state is State.TRACKING

    def test_a_place_less_sharp_than_the_last_is_a_place_to_start_in(self, world, walk):
        soft = World(seed=7, noise=0.0)
        settings = replace(ON_CPU, {'recovery.restart_after': 0.25})
        odometry = odometry_in(world, settings=settings)
        list(odometry.stream(walk[:4]))
        states = [odometry.track(defocused(frame)).state for frame in soft.film(WALK[:8], 2.0)]
        assert State.INITIALISING in states


class TestRobustness:
    def test_reset_makes_the_next_frame_the_origin(self, world, walk):
        odometry = odometry_in(world)
        list(odometry.stream(walk[:6]))
        odometry.reset()
        first = odometry.track(walk[6])
        assert first.state is State.INITIALISING
        assert np.array_equal(first.pose, np.eye(4))
        assert first.keyframe_id == 0
        assert first.points.size == 0

    def test_settings_take_effect_while_it_runs(self, world, walk):
        odometry = odometry_in(world)
        list(odometry.stream(walk[:3]))
        odometry.configure(replace(ON_CPU, {'geometry.min_inliers': 1000}))
        strict = odometry.track(walk[3])
        assert strict.state is State.LOST
        assert '1000' in strict.reason
        odometry.configure(ON_CPU)
        assert odometry.track(walk[4]).state is State.TRACKING

    def test_fewer_keyframes_are_kept_once_told_so(self, world, walk):
        odometry = odometry_in(world)
        list(odometry.stream(walk[:8]))
        odometry.configure(replace(ON_CPU, {'recovery.keyframes': 2}))
        assert all(each.state is State.TRACKING for each in odometry.stream(walk[8:]))
        assert len(odometry._state.keyframes) == 2

    def test_a_tiny_picture_is_refused_and_changes_nothing(self, world, walk):
        undisturbed = list(odometry_in(world).stream(walk[:6]))
        odometry = odometry_in(world)
        list(odometry.stream(walk[:3]))
        tiny = Frame(np.zeros((16, 16), np.uint8), walk[3].stamp - 1, camera(16, 16))
        with pytest.raises(PictureError):
            odometry.track(tiny)
        for estimate, expected in zip(odometry.stream(walk[3:6]), undisturbed[3:], strict=True):
            assert np.array_equal(estimate.pose, expected.pose)

    def test_a_tiny_first_picture_is_refused_too(self, world, walk):
        odometry = odometry_in(world)
        with pytest.raises(PictureError):
            odometry.track(Frame(np.zeros((16, 16), np.uint8), 1, camera(16, 16)))
        assert np.array_equal(odometry.track(walk[0]).pose, np.eye(4))

    def test_a_camera_that_changes_its_size_is_followed_or_refused(self, world, walk):
        """Two working sizes match well; only an error that says what is wrong is as good."""
        odometry = odometry_in(world)
        list(odometry.stream(walk[:4]))
        larger = world.see(WALK[4], 4 * PERIOD, through=camera(480, 360, 390.0))
        try:
            estimate = odometry.track(larger)
        except ValueError as error:
            assert 'size' in str(error)
        else:
            assert estimate.state in (State.TRACKING, State.LOST)
        assert odometry.track(walk[5]).state is State.TRACKING

    def test_two_frames_of_one_stamp_do_no_harm(self, world, walk):
        odometry = odometry_in(world)
        list(odometry.stream(walk[:3]))
        again = odometry.track(after(walk[3], -PERIOD))
        assert again.state is State.TRACKING
        assert np.isfinite(again.pose).all()
        assert np.isfinite(again.covariance).all()

    def test_stamps_that_begin_at_zero_are_stamps(self, world, walk):
        odometry = odometry_in(world, outliers=0.0)
        early = [after(frame, -1.0) for frame in walk[:6]]
        assert early[0].stamp == 0
        estimates = list(odometry.stream(early))
        expected = list(odometry_in(world, outliers=0.0).stream(walk[:6]))
        for one, other in zip(estimates, expected, strict=True):
            assert np.array_equal(one.pose, other.pose)

    @pytest.mark.parametrize('keyframes', [2, 3])
    def test_a_short_memory_suffices(self, world, walk, keyframes):
        settings = replace(ON_CPU, {'recovery.keyframes': keyframes})
        estimates = list(odometry_in(world, settings=settings, outliers=0.0).stream(walk))
        assert all(each.state is State.TRACKING for each in estimates[1:])
        found = scales(estimates, WALK)
        assert np.ptp(found) < 0.1 * found.mean()


@pytest.fixture(scope='module')
def room():
    sequence = SyntheticSequence('room', frames=10)
    return sequence, list(sequence)


class TestWithTheNetwork:
    def test_a_rendered_room_is_walked_through(self, room):
        sequence, frames = room
        estimates = list(VisualOdometry(ON_CPU).stream(frames))
        assert all(each.state is State.TRACKING for each in estimates[2:])
        truth = list(sequence.ground_truth.poses)
        assert rotation_errors(estimates, truth).max() < 2.0
        found = scales(estimates, truth)[1:]
        assert np.ptp(found) < 0.2 * found.mean()

    def test_it_repeats_itself_bit_by_bit(self, room):
        _, frames = room
        odometry = VisualOdometry(ON_CPU)
        first = [each.pose for each in odometry.stream(frames[:5])]
        odometry.reset()
        assert np.array_equal(first, [each.pose for each in odometry.stream(frames[:5])])

    def test_a_new_process_gives_the_same_bits(self):
        program = (
            'import hashlib\n'
            'from loftr_vo.config import Settings, replace\n'
            'from loftr_vo.odometry import VisualOdometry\n'
            'from loftr_vo.synthetic.sequence import SyntheticSequence\n'
            "settings = replace(Settings(), {'matcher.device': 'cpu'})\n"
            "sequence = SyntheticSequence('room', frames=8, size=(120, 160))\n"
            'estimates = list(VisualOdometry(settings).stream(sequence))\n'
            'arrays = [(each.pose, each.covariance) for each in estimates]\n'
            'joined = b"".join(each.tobytes() for pair in arrays for each in pair)\n'
            'print(hashlib.sha256(joined).hexdigest())\n'
        )
        runs = [
            subprocess.run(
                [sys.executable, '-c', program], capture_output=True, text=True, check=True
            ).stdout
            for _ in range(2)
        ]
        assert len(runs[0]) == 65
        assert runs[0] == runs[1]

    def test_tracking_is_lost_and_relocalised(self, room, elsewhere):
        _, frames = room
        odometry = VisualOdometry(ON_CPU)
        *_, before = odometry.stream(frames[:6])
        covered = [after(frames[5], 0.1, np.zeros_like(frames[5].image))]
        _, views = elsewhere
        wrong_place = [after(frames[5], 0.2 + 0.1 * i, views[i].image) for i in range(3)]
        lost = list(odometry.stream(covered + wrong_place))
        assert [each.state for each in lost] == [State.LOST] * 4
        assert 'black' in lost[0].reason
        assert all(np.array_equal(each.pose, before.pose) for each in lost)
        back = odometry.track(after(frames[5], 0.6))
        assert back.state is State.TRACKING
        assert back.pose == pytest.approx(before.pose, abs=0.01)

    def test_a_resting_camera_rests(self, room):
        _, frames = room
        odometry = VisualOdometry(ON_CPU)
        list(odometry.stream(frames[:4]))
        random = np.random.default_rng(0)
        still = []
        for index in range(1, 6):
            noisy = frames[3].image + random.normal(0, 1.5, frames[3].image.shape)
            image = np.clip(noisy.round(), 0, 255).astype(np.uint8)
            still.append(odometry.track(after(frames[3], index * PERIOD, image)))
        assert all(each.reason == 'resting' for each in still[1:])
        assert all(np.array_equal(each.pose, still[0].pose) for each in still[1:])

    @pytest.mark.skipif(not (DATA / 'kitti06').is_dir(), reason=f'{DATA}/kitti06 is not there')
    def test_a_real_road_is_driven_along(self):
        sequence = open_sequence(DATA / 'kitti06')
        settings = replace(ON_CPU, {'matcher.image_size': 320})
        frames = [frame for frame, _ in zip(sequence, range(12), strict=False)]
        estimates = list(VisualOdometry(settings).stream(frames))
        assert all(each.state is State.TRACKING for each in estimates[2:])
        truth = list(sequence.ground_truth.poses[:12])
        assert rotation_errors(estimates, truth).max() < 1.5
        end = np.linalg.inv(truth[0]) @ truth[-1]
        assert degrees_apart(estimates[-1].pose[:3, 3], end[:3, 3]) < 5.0
        found = scales(estimates, truth)[2:]
        assert found.max() / found.min() < 1.5
