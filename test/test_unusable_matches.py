# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Matches that no ray belongs to, and equations without a solution: named, and never passed on."""

import numpy as np
import pytest
from exact_world import ExactMatcher, pose
from finite import assert_finite
from lens_room import LENSES, LensRoom, walk

from loftr_vo.config import Settings, replace
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.map.bundle_adjustment import refine_window
from loftr_vo.odometry.map.keyframe import Keyframe, Link
from loftr_vo.odometry.pose import (
    initialisation,
    known_depth_motion,
    pose_by_depth,
    static_scene,
)
from loftr_vo.odometry.rolling_shutter.model import ReadoutEstimate
from loftr_vo.odometry.rolling_shutter.readout_time import ReadoutTimeEstimator


class EverywhereMatcher(ExactMatcher):
    """Matches each cell, as a network does: also where the lens has no ray."""

    def match(self, keyframe, frame):
        pending = super().match(keyframe, frame)
        matches = pending.result()
        centres = keyframe.cell_centres().astype(np.float32)
        others = np.setdiff1d(np.arange(len(centres)), matches.cells)[::4]
        both = type(matches)(
            np.concatenate([matches.keypoints0, centres[others]]),
            np.concatenate([matches.keypoints1, centres[others]]),
            np.concatenate([matches.confidence, np.full(len(others), 0.3, np.float32)]),
            np.concatenate([matches.spread, np.full(len(others), 0.5, np.float32)]),
            np.concatenate([matches.cells, others]),
        )
        return type(pending)(lambda: both)


def odometry_in(room, **settings):
    values = {
        'matcher.device': 'cpu',
        'geometry.refine_matches': False,
        **{name.replace('__', '.'): value for name, value in settings.items()},
    }
    odometry = VisualOdometry(replace(Settings(), values))
    odometry._matcher = EverywhereMatcher(room, noise=0.3, outliers=0.05)
    return odometry


@pytest.mark.parametrize('readout', [-1.0, 0.02])
def test_a_lens_that_does_not_reach_the_corners_of_its_picture(readout):
    room = LensRoom(LENSES['fisheye'])
    odometry = odometry_in(room, geometry__readout_time=readout)
    frames = room.film(walk(20))
    assert np.isnan(room.camera.undistort(np.array([[0.0, 0.0]]))).all()
    for index, estimate in enumerate(odometry.stream(frames)):
        assert_finite(estimate, 'estimate')
        assert_finite(estimate.cloud.made(), 'cloud')
        assert estimate.state is (State.TRACKING if index else State.INITIALISING)
    assert len(estimate.points) > 100
    assert_finite(
        [odometry._state.readout_time._information, odometry._state.readout_time._weighted]
    )


@pytest.fixture
def keyframe():
    room = LensRoom(LENSES['fisheye'])
    frame = room.see(pose())
    encoded = ExactMatcher(room).encode(frame.image)
    return Keyframe(0, frame, encoded, np.eye(4), np.eye(7), 3.0, refined=False)


def located_at(places):
    information = np.broadcast_to(np.eye(2), (len(places), 2, 2)).copy()
    return LocatedMatches(places.astype(float), information, np.ones(len(places), bool))


def test_only_what_has_a_ray_in_both_pictures_becomes_an_observation(keyframe):
    centres = keyframe.encoded.cell_centres()
    middle, corner = 32 * 64 + 32, 0
    cells = np.array([middle, corner, middle + 1, middle + 2, middle + 3])
    located = located_at(centres[cells])
    located.points[2] = 0.0  # seen in the corner
    located.points[3] = np.nan
    located.information[4] = np.nan
    observations, kept = keyframe.observed(cells, located, keyframe.frame.camera)
    assert kept.tolist() == [0]
    assert_finite(observations)
    _, kept = keyframe.observed(cells[1:], located.select(np.arange(1, 5)), keyframe.frame.camera)
    assert not len(kept)


def test_no_ray_is_used_where_a_pixel_has_no_bounds_at_z_1(keyframe):
    """Beyond 85 degrees; the lens model itself reaches to 90."""
    assert np.isfinite(keyframe.rays[keyframe.usable]).all()
    angle = np.arctan(np.linalg.norm(keyframe.rays[keyframe.usable, :2], axis=1))
    assert np.degrees(angle.max()) == pytest.approx(85, abs=1)
    has_ray = np.isfinite(keyframe.frame.camera.undistort(keyframe.encoded.cell_centres())).all(
        axis=1
    )
    assert keyframe.usable.sum() < has_ray.sum() < len(keyframe.rays)


def test_a_cell_without_a_ray_is_never_known_and_no_point(keyframe):
    keyframe.variance[:] = 1e-8
    assert not keyframe.known[0]
    assert keyframe.known.sum() == keyframe.usable.sum()
    assert_finite(keyframe.points(), 'points')


def test_a_link_to_a_cell_that_lost_its_ray_is_left_out_of_the_window(keyframe):
    room = LensRoom(LENSES['fisheye'])
    frame = room.see(pose((0.2, 0.0, 0.0)))
    other = Keyframe(
        1, frame, keyframe.encoded, pose((0.2, 0.0, 0.0)), np.eye(7), 3.0, refined=False
    )
    cells = np.arange(len(keyframe.rays))[::7]
    assert not keyframe.usable[cells].all()
    rays1 = np.nan_to_num(keyframe.rays[cells])
    whitening = np.broadcast_to(100 * np.eye(2), (len(cells), 2, 2))
    keyframe.links.append(Link(other, cells, rays1, whitening))
    refine_window([keyframe, other], fixed=1)
    assert_finite([other.pose, keyframe.inverse_depth, keyframe.variance])


def test_a_rotation_that_is_no_number_is_not_used_for_the_readout_time():
    settings = Settings().geometry
    shutter = ReadoutTimeEstimator(settings)
    keyframe = type('K', (), {'turn': np.zeros(3), 'frame': type('F', (), {'stamp': 1})})
    for index in range(5):
        frame = type('F', (), {'stamp': 1 + index * 33_000_000})
        turned = pose(degrees=(index**2, 0, 0))[:3, :3]
        told = ReadoutEstimate(
            np.zeros(3), lambda: np.full(3, np.nan), np.eye(4), np.zeros((6, 6))
        )
        shutter.follow(frame, turned, keyframe, told)
    assert_finite([shutter._information, shutter._weighted, shutter.seconds])
    assert shutter._count == 0


@pytest.mark.parametrize(
    ('module', 'solve'),
    [(pose_by_depth, 'refine_pose'), (known_depth_motion, 'solve_by_known_depth')],
)
def test_equations_without_a_solution_lose_the_frame_and_say_so(monkeypatch, module, solve):
    room = LensRoom(LENSES['wide'])
    frames = room.film(walk(16))
    odometry = odometry_in(room)
    states = []

    def fail(*arguments, **options):
        raise np.linalg.LinAlgError('singular matrix')

    for index, frame in enumerate(frames):
        with monkeypatch.context() as patch:
            if index == 10:
                patch.setattr(module, solve, fail)
                for each in (pose_by_depth, initialisation, static_scene):
                    patch.setattr(each, 'refine_pose', fail)
            estimate = odometry.track(frame)
        assert_finite(estimate)
        states.append(estimate.state)
        if index == 10:
            assert estimate.state is State.LOST
            assert estimate.reason == 'solver: singular matrix'
    assert states[9] is State.TRACKING
    assert states[12:] == [State.TRACKING] * 4


def test_a_motion_that_is_no_number_loses_the_frame_and_says_so(monkeypatch):
    room = LensRoom(LENSES['wide'])
    frames = room.film(walk(8))
    odometry = odometry_in(room)
    for frame in frames[:-1]:
        odometry.track(frame)
    monkeypatch.setattr(
        'loftr_vo.odometry.pose.frame_pose.transform',
        lambda rotation, translation: np.full((4, 4), np.nan),
    )
    estimate = odometry.track(frames[-1])
    assert estimate.state is State.LOST
    assert estimate.reason.startswith('solver: ')
    assert_finite(estimate)


def test_a_window_that_cannot_be_refined_stays_and_is_named(monkeypatch):
    room = LensRoom(LENSES['wide'])
    odometry = odometry_in(room, keyframe__max_age=2)

    def fail(*arguments, **options):
        raise np.linalg.LinAlgError('SVD did not converge')

    monkeypatch.setattr('loftr_vo.odometry.keyframe_manager.refine_window_in_steps', fail)
    estimates = list(odometry.stream(room.film(walk(12))))
    assert all(each.state is State.TRACKING for each in estimates[1:])
    told = [each.reason for each in estimates if 'SVD did not converge' in each.reason]
    assert told
    assert all(each.startswith('solver: ') for each in told)


def test_finite_is_asserted_of_numbers_in_words_too():
    with pytest.raises(AssertionError, match='reason'):
        assert_finite({'reason': 'scale nan %'})
    with pytest.raises(AssertionError, match=r'\[1\]'):
        assert_finite([1.0, float('inf')])
    with pytest.raises(AssertionError, match='1 of 2'):
        assert_finite(np.array([1.0, np.nan]))
    assert_finite({'reason': 'nanoseconds of information', 'count': 3})


def test_finite_is_asserted_of_ros_messages():
    messages = pytest.importorskip('loftr_vo.ros.messages')
    points, confidence = np.zeros((3, 3), np.float32), np.ones(3, np.float32)
    assert_finite(messages.point_cloud(1, 'odom', points, confidence))
    points[1, 2] = np.nan
    with pytest.raises(AssertionError, match=r'cloud\.z has 1 of 3'):
        assert_finite(messages.point_cloud(1, 'odom', points, confidence), 'cloud')
    stamped = messages.pose_stamped(1, 'odom', np.eye(4))
    assert_finite(stamped)
    stamped.pose.position.x = np.inf
    with pytest.raises(AssertionError, match=r'pose\.position\.x'):
        assert_finite(stamped)
