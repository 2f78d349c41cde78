# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the network says of two keyframes, and when it joins."""

import numpy as np
import pytest
from exact_world import HEIGHT, WIDTH, ExactMatcher, pose

from loftr_vo.config import GeometrySettings
from loftr_vo.matching.matches import PendingMatches
from loftr_vo.odometry.map.keyframe import Keyframe, Link
from loftr_vo.odometry.map.tuning import TUNING
from loftr_vo.odometry.tracking.keyframe_matching import (
    KeyframeMatching,
    join_matches,
)

SETTINGS = GeometrySettings()


@pytest.fixture(scope='module')
def frames(world):
    return world.film([pose(), pose((0.12, 0.0, 0.02), (0.5, 0.0, 0.0))])


@pytest.fixture
def matcher(world):
    return ExactMatcher(world, noise=0.1)


@pytest.fixture
def keyframes(world, frames, matcher):
    """Two, of which the first knows its depths, and the second those of its left half."""
    made = []
    for number, frame in enumerate(frames):
        there = world.shown(frame.image.tobytes())[1]
        keyframe = Keyframe(number, frame, matcher.encode(frame.image), there, np.eye(7), 4.0)
        made.append(keyframe)
    older, keyframe = made
    know(older, np.ones(len(older.rays), bool))
    know(keyframe, keyframe.encoded.cell_centres()[:, 0] < WIDTH / 2)
    return older, keyframe


def know(keyframe, cells):
    keyframe.inverse_depth[cells] = true_depth(keyframe)[cells]
    keyframe.variance[cells] = (0.02 * keyframe.inverse_depth[cells]) ** 2


def true_depth(keyframe):
    points = keyframe.encoded.cell_centres() + keyframe.offsets
    x, y = np.clip(points.round().astype(int), 0, (WIDTH - 1, HEIGHT - 1)).T
    return 1 / keyframe.frame.depth[y, x]


def test_cells_of_unknown_depth_get_it_and_others_keep_theirs(keyframes, matcher):
    older, keyframe = keyframes
    before, known = keyframe.inverse_depth.copy(), keyframe.known
    matches = matcher.match(older.encoded, keyframe.encoded).result()
    join_matches(older, keyframe, matches, SETTINGS)
    assert np.array_equal(keyframe.inverse_depth[known], before[known])
    new = np.flatnonzero(keyframe.known & ~known)
    assert len(new) > 200
    relative = keyframe.inverse_depth[new] / true_depth(keyframe)[new] - 1
    assert np.median(np.abs(relative)) < 0.05


def test_one_link_is_left_and_it_has_no_more_cells_than_are_worth_it(keyframes, matcher):
    older, keyframe = keyframes
    older.links = [Link(keyframe, np.arange(3), np.zeros((3, 3)), np.zeros((3, 2, 2)))]
    matches = matcher.match(older.encoded, keyframe.encoded).result()
    join_matches(older, keyframe, matches, SETTINGS)
    (link,) = older.links
    assert link.other is keyframe
    assert 300 < len(link.cells) <= TUNING.max_linked_cells
    assert len(np.unique(link.cells)) == len(link.cells)


def test_a_link_is_thinned_evenly():
    cells = np.arange(100)[::-1]
    link = Link(None, cells, np.zeros((100, 3)), np.zeros((100, 2, 2)))
    assert link.thinned(100) is link
    assert np.array_equal(link.thinned(10).cells, np.arange(0, 100, 10))


class Late:
    """A matcher whose matches come when they are let."""

    def __init__(self, matcher):
        self.matcher, self.there, self.asked = matcher, False, []

    def match(self, older, keyframe):
        self.asked.append((older, keyframe))
        return PendingMatches(self.matcher.match(older, keyframe).result, lambda: self.there)


@pytest.fixture
def late(matcher):
    return Late(matcher)


def test_what_is_not_there_joins_later(keyframes, late):
    older, keyframe = keyframes
    matching = KeyframeMatching(lambda: late)
    known = keyframe.known.sum()
    matching.start(older, keyframe)
    matching.join(SETTINGS, wait=False)
    assert matching.busy
    assert keyframe.known.sum() == known
    late.there = True
    matching.join(SETTINGS, wait=False)
    assert not matching.busy
    assert keyframe.known.sum() > known


def test_what_is_waited_for_joins_at_once(keyframes, late):
    older, keyframe = keyframes
    matching = KeyframeMatching(lambda: late)
    matching.start(older, keyframe)
    matching.join(SETTINGS, wait=True)
    assert not matching.busy


def test_the_network_gets_no_second_pair_while_it_is_at_the_first(keyframes, late):
    matching = KeyframeMatching(lambda: late)
    matching.start(*keyframes)
    matching.start(*keyframes)
    assert len(late.asked) == 1
    matching.forget()
    matching.join(SETTINGS, wait=True)
    matching.start(*keyframes)
    assert len(late.asked) == 2
