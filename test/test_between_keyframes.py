# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The odometry where the network sees keyframes only and the frames in between are tracked."""

import dataclasses

import cv2
import numpy as np
import pytest
from exact_world import ExactMatcher, World, pose
from point_scenes import degrees_between

from loftr_vo.config import Settings, replace
from loftr_vo.matching.matches import PendingMatches
from loftr_vo.odometry import VisualOdometry, keyframe_manager
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.tracking import reference_search

ON_CPU = replace(Settings(), {'matcher.device': 'cpu', 'matcher.when': 'keyframes'})
STEPS = 24


class CountingMatcher(ExactMatcher):
    """Knows what was matched with what, and can be late.

    Args:
        in_time: whether matches are there when they are asked for.
    """

    sees_every_frame = False

    def __init__(self, *worlds):
        super().__init__(*worlds)
        self.matched = []
        self.in_time = True

    def match(self, keyframe, frame):
        self.matched.append((keyframe.picture, frame.picture))
        result = super().match(keyframe, frame).result()

        def fetch():
            assert self.in_time, 'a frame waits for the network'
            return result

        return PendingMatches(fetch, lambda: self.in_time)


def walk(step):
    return pose((0.015 * step, 0.004 * step, 0.01 * step), (0.1 * step, 0.05 * step, 0.0))


@pytest.fixture(scope='module')
def frames(world):
    return world.film([walk(step) for step in range(STEPS)])


def odometry_in(*worlds, settings=ON_CPU):
    odometry = VisualOdometry(settings)
    odometry._matcher = CountingMatcher(*worlds)
    return odometry


def after(frame, seconds, image=None):
    stamp = frame.stamp + round(seconds * 1e9)
    return dataclasses.replace(frame, stamp=stamp, image=frame.image if image is None else image)


def scale_of(estimates):
    """Return units a metre of each frame from the fifth on."""
    found = np.array([np.linalg.norm(each.pose[:3, 3]) for each in estimates[5:]])
    true = np.array([np.linalg.norm(walk(step)[:3, 3]) for step in range(5, len(estimates))])
    return found / true


def test_frames_between_keyframes_are_tracked_and_the_path_is_right(world, frames):
    odometry = odometry_in(world)
    estimates = list(odometry.stream(frames))
    assert all(each.state is State.TRACKING for each in estimates[12:])
    by_tracks = [each.matched_by == 'tracks' for each in estimates]
    assert sum(by_tracks) >= STEPS - 4
    keyframes = sum(each.is_keyframe for each in estimates)
    assert 2 <= keyframes < STEPS / 3
    assert len(odometry._matcher.matched) < keyframes + 4, 'the network sees keyframes only'
    scale = scale_of(estimates)[8:]
    assert np.ptp(scale) < 0.05 * scale.mean()
    for step in range(STEPS):
        assert degrees_between(walk(step)[:3, :3], estimates[step].pose[:3, :3]) < 0.15


def test_every_frame_means_every_frame(world, frames, monkeypatch):
    def never(*_):
        raise AssertionError('tracked')

    monkeypatch.setattr(reference_search, 'predict_matches', never)
    odometry = odometry_in(world)
    odometry._matcher.sees_every_frame = True
    estimates = list(odometry.stream(frames[:8]))
    assert all(each.matched_by == 'network' for each in estimates)
    assert len(odometry._matcher.matched) >= 7


@pytest.mark.parametrize(
    ('when', 'every_frame'), [('auto', False), ('keyframes', False), ('every_frame', True)]
)
def test_a_cpu_sees_keyframes_by_default(when, every_frame):
    settings = replace(Settings(), {'matcher.device': 'cpu', 'matcher.when': when})
    assert VisualOdometry(settings)._matcher.sees_every_frame is every_frame


def test_auto_has_a_gpu_see_every_frame():
    odometry = VisualOdometry(replace(Settings(), {'matcher.device': 'cpu'}))
    odometry._matcher.device = dataclasses.make_dataclass('Device', ['type'])('cuda')
    assert odometry._matcher.sees_every_frame


def test_the_setting_may_change_on_the_way(world, frames):
    odometry = VisualOdometry(ON_CPU)
    odometry.configure(replace(ON_CPU, {'matcher.when': 'every_frame'}))
    assert odometry._matcher.sees_every_frame


def test_the_network_sees_what_cannot_be_tracked(world, frames):
    odometry = odometry_in(world)
    list(odometry.stream(frames[:12]))
    blurred = cv2.GaussianBlur(frames[12].image, (0, 0), 6)
    shown, pose_shown = world.shown(frames[12].image.tobytes())
    world._shown[blurred.tobytes()] = shown, pose_shown
    estimate = odometry.track(dataclasses.replace(frames[12], image=blurred))
    assert estimate.state is State.TRACKING
    assert estimate.matched_by == 'network'
    assert degrees_between(walk(12)[:3, :3], estimate.pose[:3, :3]) < 0.3


def test_a_lost_camera_is_looked_for_by_the_network(world, frames):
    odometry = odometry_in(world)
    list(odometry.stream(frames[:12]))
    black = np.zeros_like(frames[0].image)
    for number in range(3):
        lost = odometry.track(after(frames[11], 0.03 * (number + 1), black))
        assert lost.state is State.LOST
        assert lost.matched_by == 'network'
    found = odometry.track(after(frames[11], 0.2))
    assert (found.state, found.matched_by) == (State.TRACKING, 'network')


def test_the_same_frames_give_the_same_bits(world, frames):
    runs = []
    for ahead in (False, True, False):
        odometry = odometry_in(world)
        following = [*frames[1:], None] if ahead else [None] * STEPS
        estimates = [odometry.track(*pair) for pair in zip(frames, following, strict=True)]
        runs.append(np.array([each.pose for each in estimates]))
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])


def test_live_no_frame_waits_for_the_network(world, frames):
    odometry = odometry_in(world)
    odometry.live = True
    estimates, late = [], []
    for step, frame in enumerate(frames):
        # The network is asleep from the sixth frame on, and awake again for the last.
        odometry._matcher.in_time = step < 6 or step == STEPS - 1
        estimates.append(odometry.track(frame))
        odometry.finish()
        late.append(odometry._keyframe_matching.busy)
    assert any(late[:-1])
    assert not late[-1], 'it joins when it is there'
    assert all(each.matched_by == 'tracks' for each in estimates[6:])
    scale = scale_of(estimates)[8:]
    assert np.ptp(scale) < 0.05 * scale.mean()


def test_live_a_keyframe_is_refined_in_steps(world, frames, monkeypatch):
    odometry = odometry_in(world)
    odometry.live = True
    looked = []
    refine = keyframe_manager.triangulate_by_tracking
    monkeypatch.setattr(
        keyframe_manager,
        'triangulate_by_tracking',
        lambda *each: looked.append(1) or refine(*each),
    )
    most = 0
    for frame in frames:
        looked.clear()
        odometry.track(frame)
        odometry.finish()
        most = max(most, len(looked))
    assert most == 1


def test_live_a_new_keyframe_waits_for_the_last_one_while_it_overlaps(world, frames):
    counts = []
    for in_time in (True, False):
        odometry = odometry_in(world)
        odometry.live = True
        estimates = []
        for step, frame in enumerate(frames):
            odometry._matcher.in_time = in_time or step < 6
            estimates.append(odometry.track(frame))
            odometry.finish()
            while odometry.refine():
                pass
        counts.append(sum(each.is_keyframe for each in estimates[6:]))
        assert all(each.matched_by == 'tracks' for each in estimates[6:])
    assert counts[1] < counts[0]


def test_refinement_goes_on_between_frames_and_ends(world, frames):
    odometry = odometry_in(world)
    odometry.live = True
    steps = []
    for frame in frames:
        odometry.track(frame)
        odometry.finish()
        steps.append(0)
        while odometry.refine():
            steps[-1] += 1
    assert max(steps) >= 3
    assert not odometry.refine()


def test_a_frame_that_can_be_tracked_is_known_beforehand_and_tracked_once(
    world, frames, monkeypatch
):
    odometry, reference = odometry_in(world), odometry_in(world)
    for each in (odometry, reference):
        list(each.stream(frames[:12]))
    expected = reference.track(frames[13])
    predictions = []
    predict = reference_search.predict_matches
    monkeypatch.setattr(
        reference_search, 'predict_matches', lambda *a: predictions.append(1) or predict(*a)
    )
    assert odometry.can_track(frames[13])
    estimate = odometry.track(frames[13])
    assert len(predictions) == 1
    assert estimate.matched_by == 'tracks'
    assert np.array_equal(estimate.pose, expected.pose)


def test_a_frame_from_elsewhere_cannot_be_tracked_and_the_trial_changes_nothing(world, frames):
    odometry, reference = odometry_in(world), odometry_in(world)
    for each in (odometry, reference):
        list(each.stream(frames[:12]))
    elsewhere = World(seed=7).film([walk(12)])[0]
    assert not odometry.can_track(after(frames[12], 1.0, elsewhere.image))
    assert np.array_equal(odometry.track(frames[12]).pose, reference.track(frames[12]).pose)


@pytest.mark.parametrize('change', ['late', 'other size', 'lost', 'first', 'every frame'])
def test_where_tracks_do_not_decide_any_frame_can_be_next(world, frames, change):
    odometry = odometry_in(world)
    if change == 'first':
        assert odometry.can_track(frames[0])
        return
    list(odometry.stream(frames[:12]))
    frame = frames[12]
    if change == 'late':
        frame = frames[3]
    elif change == 'other size':
        camera = dataclasses.replace(frame.camera, width=160, height=120)
        frame = dataclasses.replace(frame, image=frame.image[:120, :160].copy(), camera=camera)
    elif change == 'lost':
        odometry.track(after(frame, 0.0, np.full_like(frame.image, 90)))
        frame = after(frame, 1.0)
    else:
        odometry._matcher.sees_every_frame = True
    assert odometry.can_track(frame)


def test_what_is_hidden_for_a_while_makes_a_keyframe_of_what_is_left(world, frames):
    odometry = odometry_in(world)
    list(odometry.stream(frames[:12]))
    assert odometry._state.keyframe.best_inliers > 600, 'as many as if all cells had been followed'
    hidden = frames[12].image.copy()
    hidden[:, : hidden.shape[1] * 3 // 4] = 20
    world._shown[hidden.tobytes()] = world.shown(frames[12].image.tobytes())
    matcher, match = odometry._matcher, odometry._matcher.match

    def visible(keyframe, frame):
        matches = match(keyframe, frame).result()
        seen = matches.keypoints1[:, 0] > hidden.shape[1] * 3 // 4
        return PendingMatches(lambda: matches.select(seen))

    matcher.match = visible
    estimate = odometry.track(dataclasses.replace(frames[12], image=hidden))
    assert estimate.state is State.TRACKING
    assert estimate.matched_by == 'network'
    assert estimate.is_keyframe
