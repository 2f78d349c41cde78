# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Which keyframes are kept, for how long, and which of them a lost frame is shown."""

from types import SimpleNamespace

import numpy as np
import pytest

from loftr_vo.config import RecoverySettings
from loftr_vo.odometry.map.keyframe_store import KeyframeStore

SECOND = 10**9


def keyframe(number, links=()):
    image = np.random.default_rng(number).integers(0, 256, (24, 32), dtype=np.uint8)
    frame = SimpleNamespace(image=image, stamp=number * SECOND)
    made = SimpleNamespace(number=number, frame=frame, links=list(links), released=False)
    made.release = lambda: setattr(made, 'released', True)
    return made


def numbers(keyframes):
    return [each.number for each in keyframes]


def store_of(count, **settings):
    store = KeyframeStore(RecoverySettings(**{'keyframes': 3, **settings}))
    for number in range(count):
        store.add(keyframe(number))
    return store


def test_the_window_holds_the_newest_and_as_many_are_kept_before_it():
    store = store_of(10)
    assert len(store) == 3
    assert numbers(store.window) == [7, 8, 9]
    assert numbers(store.of_map) == [4, 5, 6, 7, 8, 9]
    assert store.newest.number == 9


def test_a_keyframe_of_the_window_becomes_the_newest():
    store = store_of(6)
    assert not store.switch_to(store.window[0], 0)
    assert numbers(store.window) == [4, 5, 3]


def test_going_further_back_the_window_is_a_chain_of_neighbours():
    store = store_of(6)
    assert not store.switch_to(store.of_map[2], 0)
    assert numbers(store.window) == [0, 1, 2]
    assert sorted(numbers(store.of_map)) == [0, 1, 2, 3, 4, 5]


def test_an_old_map_is_kept_and_gone_back_to():
    store = store_of(6)
    store.start_map(6 * SECOND, keep=True)
    assert len(store) == 0
    store.add(keyframe(6))
    assert store.scale_carried
    old = {each.number: each for each in store.old_candidates(keyframe(2).frame.image)}
    assert store.switch_to(old[2], 7 * SECOND)
    assert numbers(store.window) == [0, 1, 2]
    assert not store.scale_carried
    # And the new map is an old one now.
    assert numbers(store.old_candidates(keyframe(6).frame.image)) == [6]


def test_what_is_outside_the_window_is_released():
    store = store_of(6)
    assert [each.released for each in store.of_map] == [True] * 3 + [False] * 3
    archived = store.of_map
    store.start_map(6 * SECOND, keep=True)
    assert all(each.released for each in archived)


def test_of_those_that_were_tried_only_the_most_similar_stays_encoded():
    store = store_of(3)
    archived = store.of_map
    store.start_map(3 * SECOND, keep=True)
    store.add(keyframe(3))
    for each in archived:
        each.released = False
    next(store.candidates(archived[1].frame.image))
    assert [each.released for each in archived] == [True, False, True]


def test_a_map_not_worth_keeping_is_not_kept():
    store = store_of(2)
    store.start_map(2 * SECOND, keep=False)
    store.add(keyframe(3))
    assert not list(store.old_candidates(keyframe(0).frame.image))
    assert not store.scale_carried


@pytest.mark.parametrize(('remember', 'kept'), [(5.0, True), (1.0, False), (0.0, False)])
def test_an_old_map_is_forgotten_after_a_time(remember, kept):
    store = store_of(3, remember=remember)
    store.start_map(3 * SECOND, keep=True)
    store.add(keyframe(6))
    assert bool(list(store.old_candidates(keyframe(0).frame.image))) == kept


def test_no_more_than_two_old_maps_are_kept():
    store = store_of(1)
    for number in range(1, 5):
        store.start_map(number * SECOND, keep=True)
        store.add(keyframe(number))
    seen = {n for i in range(8) for n in numbers(store.old_candidates(keyframe(i).frame.image))}
    assert seen == {2, 3}


def test_what_looks_alike_is_shown_first_and_everything_in_turn():
    store = store_of(6)
    alike = store.of_map[1].frame.image
    rounds = [numbers(store.candidates(alike)) for _ in range(5)]
    assert all(each[0] == 1 for each in rounds)
    assert all(len(each) <= 2 for each in rounds)
    assert {number for each in rounds for number in each} == {0, 1, 2, 3, 4}


def test_light_and_contrast_do_not_matter_to_likeness():
    store = store_of(6)
    dim = (store.of_map[3].frame.image * 0.3 + 20).astype(np.uint8)
    assert next(store.candidates(dim)).number == 3


def test_links_to_what_is_no_longer_kept_are_dropped():
    store = KeyframeStore(RecoverySettings(keyframes=2))
    before = None
    for number in range(6):
        links = [] if before is None else [SimpleNamespace(other=before)]
        before = keyframe(number, links)
        store.add(before)
    linked = {link.other.number for each in store.of_map for link in each.links}
    assert linked == {2, 3, 4}


def test_fewer_are_kept_once_told_so():
    store = store_of(10)
    store.configure(RecoverySettings(keyframes=2))
    assert numbers(store.of_map) == [6, 7, 8, 9]
    assert numbers(store.window) == [8, 9]
