# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Lost and found: what the pose does meanwhile, and which map it goes on in."""

import itertools

import numpy as np
import pytest
from exact_world import HEIGHT, PERIOD, WIDTH, ExactMatcher, camera, pose
from point_scenes import degrees_between

from loftr_vo.config import RecoverySettings, Settings, replace
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.scale.wheel_path import Guide, WheelPath
from loftr_vo.odometry.tracking.relocalisation import Relocalisation

ON_CPU = replace(Settings(), {'matcher.device': 'cpu', 'recovery.restart_after': 0.25})
STEP = 0.06  # metres to the right from frame to frame


def walk(count, first=0):
    return [
        pose((STEP * index, 0.02 * np.sin(index / 3), 0.01 * index), (np.sin(index / 8), 0, 0))
        for index in range(first, first + count)
    ]


WALK = walk(18)


class Trip:
    """An odometry that is shown one frame every ``PERIOD``, and what it said of each."""

    def __init__(self, *worlds, **settings):
        self.odometry = VisualOdometry(replace(ON_CPU, settings))
        self.matcher = ExactMatcher(*worlds, noise=0.1, outliers=0.0)
        self.odometry._matcher = self.matcher
        self.said = []

    def see(self, world, poses):
        """Return what is said of frames in a world; of dark ones where there is no world."""
        seen = []
        for each in poses:
            seconds = len(self.said) * PERIOD
            if world is None:
                image = np.zeros((HEIGHT, WIDTH), np.uint8)
                frame = Frame(image, round(1e9 * (1 + seconds)), camera())
            else:
                frame = world.see(each, seconds)
            seen.append(self.odometry.track(frame))
            self.said.append(seen[-1])
        return seen

    def steps(self):
        """Distances between the poses in odom, one after the other."""
        places = [each.pose[:3, 3] for each in self.said if not each.silent]
        return np.array([np.linalg.norm(b - a) for a, b in itertools.pairwise(places)])

    def unit(self):
        """Units of the odometry in a metre, from the first walk."""
        return np.linalg.norm(self.said[7].pose[:3, 3]) / np.linalg.norm(WALK[7][:3, 3])


def moved(first, last):
    return np.linalg.inv(first.pose) @ last.pose


class TestPolicy:
    def test_hold_keeps_the_pose(self, world):
        trip = Trip(world, **{'recovery.policy': 'hold'})
        *_, before = trip.see(world, WALK[:8])
        lost = trip.see(None, [None] * 4)
        assert all(each.state is State.LOST and not each.silent for each in lost)
        assert all(np.array_equal(each.pose, before.pose) for each in lost)

    def test_predict_goes_on_as_the_camera_went(self, world):
        trip = Trip(world, **{'recovery.policy': 'predict', 'recovery.restart_after': 2.0})
        *_, before = trip.see(world, WALK[:8])
        lost = trip.see(None, [None] * 4)
        unit = trip.unit()
        for count, each in enumerate(lost, start=1):
            truth = np.linalg.inv(WALK[7]) @ WALK[7 + count]
            error = moved(before, each)[:3, 3] - unit * truth[:3, 3]
            assert np.linalg.norm(error) < 0.15 * unit * STEP * count
        variances = [np.trace(each.covariance) for each in (before, *lost)]
        assert variances == sorted(variances)
        assert variances[-1] > 10 * variances[1]

    def test_predict_is_surer_than_hold_at_first(self, world):
        said = {}
        for policy in ('hold', 'predict'):
            trip = Trip(world, **{'recovery.policy': policy})
            trip.see(world, WALK[:8])
            said[policy] = trip.see(None, [None] * 3)[-1]
        assert np.trace(said['predict'].covariance) < np.trace(said['hold'].covariance)

    def test_prediction_stops_after_its_longest_time(self, world):
        trip = Trip(world, **{'recovery.policy': 'predict'})
        trip.see(world, WALK[:8])
        lost = trip.see(None, [None] * 8)
        assert np.array_equal(lost[-1].pose, lost[4].pose)
        assert not np.array_equal(lost[1].pose, lost[0].pose)

    def test_silent_says_that_nothing_is_to_be_published(self, world):
        trip = Trip(world, **{'recovery.policy': 'silent'})
        tracked = trip.see(world, WALK[:8])
        lost = trip.see(None, [None] * 2)
        found = trip.see(world, WALK[10:12])
        assert all(each.silent for each in lost)
        assert all(each.state is State.LOST for each in lost)
        assert not any(each.silent for each in (*tracked, *found))

    def test_after_silence_the_pose_is_where_the_camera_is(self, world):
        trip = Trip(world, **{'recovery.policy': 'silent'})
        *_, before = trip.see(world, WALK[:8])
        trip.see(None, [None] * 2)
        found = trip.see(world, WALK[10:11])[0]
        truth = trip.unit() * (np.linalg.inv(WALK[7]) @ WALK[10])[:3, 3]
        assert moved(before, found)[:3, 3] == pytest.approx(truth, abs=0.2 * np.linalg.norm(truth))


class TestLostDrift:
    """How far off the pose is said to be while nothing is seen."""

    DEPTH = 3.0

    def deviation(self, policy, seconds):
        recovery = Relocalisation(RecoverySettings(policy=policy, restart_after=10.0))
        guide = Guide(WheelPath(), BODY_FROM_OPTICAL, metric=True)
        recovery.lose(10**9, round(0.9e9), np.eye(4), guide)
        stamp = round((1 + seconds) * 1e9)
        covariance = recovery.covariance(stamp, np.eye(4), np.zeros((6, 6)), self.DEPTH)
        return np.sqrt(covariance.diagonal())

    @pytest.mark.parametrize('seconds', [0.5, 1.0, 3.0])
    def test_a_held_pose_covers_a_camera_that_goes_on(self, seconds):
        """At half the scene's depth and half a radian a second, which is brisk."""
        went = 0.5 * seconds * np.array([self.DEPTH] * 3 + [1.0] * 3)
        errors = went / self.deviation('hold', seconds)
        assert (errors > 0.5).all()
        assert (errors < 2.0).all()

    @pytest.mark.parametrize('seconds', [0.3, 0.8])
    def test_a_predicted_pose_covers_a_camera_that_brakes(self, seconds):
        """By half the scene's depth and half a radian a second, each second."""
        off = 0.5 * 0.5 * seconds**2 * np.array([self.DEPTH] * 3 + [1.0] * 3)
        errors = off / self.deviation('predict', seconds)
        assert (errors > 0.25).all()
        assert (errors < 2.0).all()

    def test_at_first_it_is_unsure_already(self):
        assert (self.deviation('hold', 0.0) > 0.01).all()


class TestFound:
    @pytest.mark.parametrize('policy', ['hold', 'predict'])
    def test_what_the_camera_did_unseen_is_made_up_for_without_a_jump(self, world, policy):
        """Dark for half a second, while the camera goes on."""
        trip = Trip(world, **{'recovery.policy': policy, 'recovery.restart_after': 2.0})
        trip.see(world, WALK[:8])
        assert all(each.state is State.LOST for each in trip.see(None, [None] * 4))
        found = trip.see(world, WALK[12:18])
        assert all(each.state is State.TRACKING for each in found)
        step = trip.unit() * STEP
        assert trip.steps().max() < 2.3 * step
        end = np.linalg.inv(WALK[0]) @ WALK[17]
        error = np.linalg.norm(found[-1].pose[:3, 3] - trip.unit() * end[:3, 3])
        assert error < 0.6 * step

    def test_the_covariance_covers_what_is_not_made_up_for_yet(self, world):
        trip = Trip(world, **{'recovery.restart_after': 2.0})
        trip.see(world, WALK[:8])
        trip.see(None, [None] * 4)
        found = trip.see(world, WALK[12:14])[0]
        left = found.pose[:3, 3] - trip.unit() * (np.linalg.inv(WALK[0]) @ WALK[12])[:3, 3]
        assert np.linalg.norm(left) > 2 * trip.unit() * STEP
        along = left / np.linalg.norm(left)
        sigma = np.sqrt(along @ found.covariance[:3, :3] @ along)
        assert 0.5 < np.linalg.norm(left) / sigma < 2

    def test_a_jump_of_the_camera_is_named_at_once(self, world):
        """The same room, three metres on: it is explained, but by no motion of a camera."""
        trip = Trip(world)
        trip.see(world, [pose((STEP * index, 0, 0)) for index in range(8)])
        aside = [pose((-1.6 + STEP * index, 0, 0.9), (8, 0, 0)) for index in range(6)]
        jumped = trip.see(world, aside)
        assert jumped[0].state is State.LOST
        assert jumped[0].reason.startswith('jump')
        assert all(each.state is State.TRACKING for each in jumped[1:])
        assert trip.steps().max() < 2.3 * STEP * trip.unit()

    def test_many_keyframes_ago_is_found_within_ten_frames(self, world):
        """Nothing but one keyframe far back can be matched."""
        trip = Trip(world, **{'keyframe.max_parallax': 1.0, 'recovery.keyframes': 4})
        trip.see(world, WALK)
        trip.see(None, [None])
        kept = trip.odometry._state.keyframes.of_map
        assert len(kept) > 5
        for keyframe in kept[1:]:
            world.forget(keyframe.frame.image)
        found = trip.see(world, [WALK[kept[0].number]] * 10)
        assert found[-1].state is State.TRACKING
        assert found[-1].keyframe_id == kept[0].number

    def test_a_lost_frame_costs_three_matches_at_most(self, world, elsewhere):
        trip = Trip(world, elsewhere)
        trip.see(world, WALK)
        trip.see(None, [None])
        count = 0
        original = trip.matcher.match

        def counted(*pair):
            nonlocal count
            count += 1
            return original(*pair)

        trip.matcher.match = counted
        trip.see(elsewhere, WALK[:1])
        assert 2 <= count <= 3


@pytest.fixture(scope='module')
def trip(world, elsewhere):
    """A walk, another place for two seconds, and back to the first."""
    trip = Trip(world, elsewhere)
    trip.before = trip.see(world, WALK[:10])
    trip.there = trip.see(elsewhere, walk(16))
    trip.back = trip.see(world, WALK[6:18])
    return trip


class TestNewStart:
    def test_a_new_start_is_in_the_status(self, trip):
        states = [each.state for each in trip.there]
        start = states.index(State.INITIALISING)
        assert states[:start] == [State.LOST] * start
        assert 2 <= start <= 4
        assert 'starting anew' in trip.there[start].reason
        assert trip.there[start].restarts == 1
        assert all(each.scale_carried for each in trip.there[start:])
        assert 'scale is carried over' in trip.there[-1].reason
        assert not any(each.scale_carried or each.restarts for each in trip.before)

    def test_the_scale_it_had_goes_on(self, trip):
        there = [each for each in trip.there if each.state is State.TRACKING]
        steps = np.linalg.norm(np.diff([each.pose[:3, 3] for each in there], axis=0), axis=1)
        assert np.median(steps) == pytest.approx(trip.unit() * STEP, rel=0.5)

    def test_a_scale_that_is_a_guess_makes_the_pose_less_sure(self, trip):
        last, start = trip.there[-1], next(each for each in trip.there if each.restarts)
        way = last.pose[:3, 3] - start.pose[:3, 3]
        along = way / np.linalg.norm(way)
        growth = along @ (last.covariance - start.covariance)[:3, :3] @ along
        assert growth > (0.4 * np.linalg.norm(way)) ** 2

    def test_the_old_place_is_recognised_within_ten_frames(self, trip):
        assert trip.back[9].state is State.TRACKING
        assert not trip.back[9].scale_carried
        oldest = min(each.keyframe_id for each in trip.back[:10])
        assert oldest <= trip.before[-1].keyframe_id

    def test_the_pose_never_jumps(self, trip):
        assert trip.steps().max() < 2.3 * trip.unit() * STEP

    def test_it_goes_on_in_the_old_scale(self, trip):
        found = [each for each in trip.back if not each.scale_carried]
        first = len(trip.back) - len(found)
        truth = np.linalg.inv(WALK[6 + first]) @ WALK[17]
        travelled = moved(found[0], found[-1])
        assert np.linalg.norm(travelled[:3, 3]) == pytest.approx(
            trip.unit() * np.linalg.norm(truth[:3, 3]), rel=0.1
        )
        assert degrees_between(travelled[:3, :3], truth[:3, :3]) < 0.5

    @pytest.mark.parametrize('extra', [0, 1, 2])
    def test_lost_in_the_new_map_the_old_place_is_no_jump(self, world, elsewhere, extra):
        """Old maps are looked for every third frame, which may be the one that finds it anyway."""
        trip = Trip(world, elsewhere)
        trip.see(world, WALK[:8])
        there = trip.see(elsewhere, walk(9 + extra))
        back = trip.see(world, WALK[6:9])
        assert there[-1].restarts == 1
        assert not back[-1].scale_carried
        assert trip.steps().max() < 2.3 * trip.unit() * STEP

    def test_it_is_forgotten_in_time(self, world, elsewhere):
        trip = Trip(world, elsewhere, **{'recovery.remember': 0.5})
        trip.see(world, WALK[:8])
        trip.see(elsewhere, walk(14))
        back = trip.see(world, WALK[6:14])
        assert back[-1].restarts == 2
        assert back[-1].keyframe_id > 3

    def test_one_old_place_seen_from_the_new_map_relates_them(self, world):
        """The camera is kept from the old keyframes for a while, not elsewhere."""
        trip = Trip(world)
        trip.see(world, WALK[:8])
        hidden = {
            keyframe.frame.image.tobytes(): world.shown(keyframe.frame.image.tobytes())
            for keyframe in trip.odometry._state.keyframes.of_map
        }
        last = trip.odometry._state.last_tracked.frame.image
        hidden[last.tobytes()] = world.shown(last.tobytes())
        for picture in hidden:
            del world._shown[picture]
        alone = trip.see(world, WALK[8:14])
        assert alone[-1].scale_carried
        assert alone[-1].state is State.TRACKING
        world._shown.update(hidden)
        together = trip.see(world, WALK[12:7:-1])
        assert not together[-1].scale_carried
        assert together[-1].state is State.TRACKING
        assert trip.steps().max() < 2.3 * trip.unit() * STEP
        # Going back to the new map's keyframes, they lie where they belong: both maps are one.
        new = [
            keyframe
            for each in trip.odometry._state.keyframes._old_maps
            for keyframe in each.keyframes
        ]
        true = {frame.image.tobytes(): there for frame, there in world._shown.values()}
        old = trip.odometry._state.keyframes.newest
        for keyframe in new:
            estimated = np.linalg.inv(old.pose) @ keyframe.pose
            truth = (
                np.linalg.inv(true[old.frame.image.tobytes()])
                @ true[keyframe.frame.image.tobytes()]
            )
            error = estimated[:3, 3] - trip.unit() * truth[:3, 3]
            assert np.linalg.norm(error) < 0.1 * trip.unit()

    def test_memory_is_bounded(self, world, elsewhere):
        trip = Trip(world, elsewhere, **{'recovery.keyframes': 3})
        for _ in range(3):
            trip.see(world, WALK[:8])
            trip.see(elsewhere, walk(8))
        store = trip.odometry._state.keyframes
        old = [keyframe for each in store._old_maps for keyframe in each.keyframes]
        assert len(store.of_map) <= 6
        assert len(old) <= 12
