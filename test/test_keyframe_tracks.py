# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Cells followed from a keyframe without the network, in a world whose geometry is known."""

import dataclasses

import numpy as np
import pytest
from exact_world import FOCAL, HEIGHT, WIDTH, ExactMatcher, World, pose

from loftr_vo.config import GeometrySettings
from loftr_vo.odometry.map.keyframe import Keyframe, locate_matches
from loftr_vo.odometry.pose.frame_pose import estimate_motion
from loftr_vo.odometry.rolling_shutter.model import NO_ROTATION, ReadoutEstimate
from loftr_vo.odometry.tracking.keyframe_tracks import (
    depth_was_carried,
    enough_tracked,
    predict_matches,
)
from loftr_vo.odometry.tracking.track_completion import complete_tracks
from loftr_vo.odometry.tracking.tracked_cells import TrackedCells, projected, trackable
from loftr_vo.odometry.tracking.tuning import TUNING

SETTINGS = GeometrySettings()
STEPS = 8


def walk(step):
    """Where the camera is: a pixel or two from step to step."""
    return pose((0.012 * step, 0.004 * step, 0.01 * step), (0.1 * step, 0.05 * step, 0.0))


@pytest.fixture(scope='module')
def frames():
    return World().film([walk(step) for step in range(STEPS)])


@pytest.fixture(scope='module')
def elsewhere():
    return World(seed=7).film([walk(0)])[0]


@pytest.fixture
def keyframe(frames):
    """The first frame, with the true depth of its cells."""
    encoded = ExactMatcher(World()).encode(frames[0].image)
    made = Keyframe(0, frames[0], encoded, np.eye(4), np.eye(7), 4.0)
    made.inverse_depth = true_depth(made)
    made.variance = (0.02 * made.inverse_depth) ** 2
    return made


def true_depth(keyframe):
    points = keyframe.encoded.cell_centres() + keyframe.offsets
    x, y = np.clip(points.round().astype(int), 0, (WIDTH - 1, HEIGHT - 1)).T
    return 1 / keyframe.frame.depth[y, x]


def motion_to(step):
    """(4, 4), the frame of a step from the keyframe, rotation and translation."""
    there = np.linalg.inv(walk(step)) @ walk(0)
    return there[:3, :3], there[:3, 3]


def follow(keyframe, seen, frame, expected):
    """Predict and locate; return the matches found, and how many were tried."""
    predicted = predict_matches(keyframe, seen, frame, expected, NO_ROTATION)
    located = locate_matches(keyframe, frame, predicted.matches, SETTINGS)
    found = located.tracked
    matches = dataclasses.replace(
        predicted.matches.select(found), keypoints1=located.points[found].astype(np.float32)
    )
    return matches, len(predicted.matches)


def errors(keyframe, matches, frame, step):
    """Pixels (N,) that matches are off."""
    truth = projected(
        keyframe,
        matches.cells,
        frame,
        motion_to(step),
        NO_ROTATION,
        true_depth(keyframe)[matches.cells],
    )
    return np.linalg.norm(matches.keypoints1 - truth, axis=1)


def seen_in(keyframe, frame, matches, step):
    return TrackedCells(
        frame,
        np.linalg.inv(walk(step)) @ walk(0),
        matches.cells,
        matches.keypoints1.astype(np.float64),
        keyframe.inverse_depth[matches.cells],
    )


def test_cells_are_followed_for_many_frames_and_do_not_drift(keyframe, frames):
    seen = TrackedCells.in_itself(keyframe)
    off = []
    for step in range(1, STEPS):
        # What is expected is the pose of the frame before: the motion model knows nothing.
        expected = np.linalg.inv(walk(step - 1)) @ walk(0)
        matches, tried = follow(keyframe, seen, frames[step], expected)
        assert enough_tracked(len(matches), tried)
        off.append(np.median(errors(keyframe, matches, frames[step], step)))
        seen = seen_in(keyframe, frames[step], matches, step)
    assert off[0] < 0.1
    assert off[-1] < 0.3


@pytest.mark.parametrize('known', [False, True])
def test_where_no_cell_was_an_inlier_the_network_matches(keyframe, frames, known):
    if not known:
        keyframe.variance[:] = np.inf
    seen = TrackedCells.in_itself(keyframe).select(np.zeros(0, int))
    predicted = predict_matches(keyframe, seen, frames[1], np.eye(4), NO_ROTATION)
    assert not len(predicted.matches)
    assert not enough_tracked(0, len(predicted.matches))


def test_not_more_cells_are_followed_than_a_pose_needs(keyframe, frames):
    predicted = predict_matches(
        keyframe, TrackedCells.in_itself(keyframe), frames[1], np.eye(4), NO_ROTATION
    )
    most = TUNING.max_known_cells + TUNING.max_unknown_cells
    there = trackable(keyframe).sum()
    assert there > most
    assert 0.9 * TUNING.max_known_cells < len(predicted.matches) <= most
    assert predicted.sampled == pytest.approx(len(predicted.matches) / there, rel=0.06)
    assert len(np.unique(predicted.matches.cells)) == len(predicted.matches)
    assert predicted.in_view > 0.95


def test_cells_that_fell_out_are_found_again_by_their_depth(keyframe, frames):
    matches, _ = follow(keyframe, TrackedCells.in_itself(keyframe), frames[1], np.eye(4))
    left = matches.keypoints1[:, 0] < WIDTH / 2
    seen = seen_in(keyframe, frames[1], matches.select(left), 1)
    again, _ = follow(keyframe, seen, frames[2], np.eye(4))
    back = np.setdiff1d(again.cells, seen.cells)
    assert (keyframe.encoded.cell_centres()[back, 0] > WIDTH / 2).sum() > 100
    assert np.median(errors(keyframe, again, frames[2], 2)) < 0.15


def test_a_camera_that_turns_back_is_tracked_though_its_velocity_says_otherwise(keyframe, frames):
    seen = TrackedCells.in_itself(keyframe)
    wrong = np.eye(4)
    wrong[:3, :3], wrong[:3, 3] = pose((0, 0, 0), (0.0, 9.0, 0.0))[:3, :3], (0.3, 0.0, 0.0)
    predicted = predict_matches(keyframe, seen, frames[1], wrong, NO_ROTATION)
    assert predicted is not None
    right = np.eye(4)
    right[:3, :3], right[:3, 3] = motion_to(1)
    expected = predict_matches(keyframe, seen, frames[1], right, NO_ROTATION)
    difference = predicted.matches.keypoints1 - expected.matches.keypoints1
    assert np.abs(difference).max() < 0.5


@pytest.mark.parametrize(
    ('known', 'live', 'enough'),
    [
        (1.0, False, True),
        (0.3, False, False),
        (0.3, True, True),
        (0.01, True, False),
    ],
)
def test_how_many_known_depths_a_keyframe_is_tracked_with(keyframe, known, live, enough):
    unknown = np.arange(len(keyframe.rays)) >= known * len(keyframe.rays)
    keyframe.variance[unknown] = np.inf
    assert depth_was_carried(keyframe, live=live) is enough


def test_what_leaves_the_view_is_reported(keyframe, frames):
    world = World()
    turned = world.see(pose(degrees=(18, 0, 0)))
    expected = np.linalg.inv(pose(degrees=(18, 0, 0)))
    predicted = predict_matches(
        keyframe, TrackedCells.in_itself(keyframe), turned, expected, NO_ROTATION
    )
    # Half the view is 31.6 degrees: what lies up to 13.6 beyond the middle stays in it.
    left = 0.5 + FOCAL * np.tan(np.radians(31.6 - 18)) / WIDTH
    assert predicted.in_view == pytest.approx(left, abs=0.1)


def test_another_place_has_no_cells_in_common(keyframe, elsewhere):
    predicted = predict_matches(
        keyframe, TrackedCells.in_itself(keyframe), elsewhere, np.eye(4), NO_ROTATION
    )
    if predicted is not None:
        located = locate_matches(keyframe, elsewhere, predicted.matches, SETTINGS)
        assert not enough_tracked(int(located.tracked.sum()), len(predicted.matches))


def test_without_depth_cells_are_followed_by_their_pixels(keyframe, frames):
    keyframe.reset_depth(4.0)
    seen = TrackedCells.in_itself(keyframe)
    matches, tried = follow(keyframe, seen, frames[1], np.eye(4))
    most = TUNING.max_known_cells + TUNING.max_unknown_cells
    assert 0.9 * most < tried <= most
    assert np.median(errors(keyframe, matches, frames[1], 1)) < 0.2


def test_a_blank_picture_cannot_be_followed(keyframe, frames):
    blank = dataclasses.replace(frames[1], image=np.full((HEIGHT, WIDTH), 128, np.uint8))
    predicted = predict_matches(
        keyframe, TrackedCells.in_itself(keyframe), blank, np.eye(4), NO_ROTATION
    )
    tracked = 0
    if predicted is not None:
        tracked = locate_matches(keyframe, blank, predicted.matches, SETTINGS).tracked.sum()
    assert not enough_tracked(int(tracked), 800)


@pytest.mark.parametrize(
    ('followed', 'tried', 'enough'),
    [(239, 239, False), (240, 240, True), (360, 600, True), (359, 600, False)],
)
def test_enough_is_a_number_and_a_share(followed, tried, enough):
    assert enough_tracked(followed, tried) is enough


def test_the_others_are_found_once_the_pose_is_known(keyframe, frames):
    step = STEPS - 1
    known = np.arange(len(keyframe.rays)) % 2 == 0
    keyframe.variance[~known] = 100.0
    keyframe.inverse_depth[~known] = 0.25
    expected = np.linalg.inv(walk(step)) @ walk(0)
    matches, _ = follow(keyframe, TrackedCells.in_itself(keyframe), frames[step], expected)
    some = matches.select(known[matches.cells])
    located = locate_matches(keyframe, frames[step], some, SETTINGS)
    readout = ReadoutEstimate(NO_ROTATION, lambda: None, expected, np.zeros((6, 6)))
    motion = estimate_motion(keyframe, frames[step], some, located, SETTINGS, readout)
    completed = complete_tracks(keyframe, frames[step], motion, SETTINGS)
    others = completed.matches.cells[len(some) :]
    assert len(others) > 300
    assert len(np.unique(completed.matches.cells)) == len(completed.matches)
    inliers = completed.inliers[len(some) :]
    assert inliers.mean() > 0.9
    found = others[inliers & ~known[others]]
    assert len(found) > 150
    relative = keyframe.inverse_depth[found] / true_depth(keyframe)[found] - 1
    assert np.median(np.abs(relative)) < 0.1, 'the keyframe learns their depth'
