# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Work started ahead of time, and that it changes nothing."""

import numpy as np
import pytest
from exact_world import HEIGHT, WIDTH, World, camera, pose

from loftr_vo.config import Settings, replace
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.prefetch import Prefetch
from loftr_vo.matching.working_size import PictureError
from loftr_vo.odometry import VisualOdometry


class Counting:
    """A matcher that only says what it was asked for."""

    can_speculate = True

    def __init__(self):
        self.calls = []

    def encode(self, image):
        if image.shape == (8, 8):
            raise PictureError('too small')
        self.calls.append(('encode', int(image[0, 0])))
        return f'features {image[0, 0]}'

    def match(self, keyframe, frame):
        self.calls.append(('match', keyframe, frame))
        return type('Pending', (), {'result': lambda _: f'{keyframe}, {frame}'})()


def frame(number, shape=(HEIGHT, WIDTH)):
    return Frame(np.full(shape, number, np.uint8), number, camera(shape[1], shape[0], 50.0))


@pytest.fixture
def matcher():
    return Counting()


@pytest.fixture
def ahead(matcher):
    return Prefetch(lambda: matcher)


def test_what_was_started_is_not_done_again(ahead, matcher):
    first = frame(1)
    ahead.start(first, 'keyframe')
    assert matcher.calls == [('encode', 1), ('match', 'keyframe', 'features 1')]
    assert ahead.encoded(first) == 'features 1'
    assert ahead.matches('keyframe', first) == 'keyframe, features 1'
    ahead.start(first, 'keyframe')
    assert len(matcher.calls) == 2


def test_a_wrong_guess_of_the_keyframe_is_matched_anew(ahead, matcher):
    first = frame(1)
    ahead.start(first, 'old keyframe')
    assert ahead.matches('new keyframe', first) == 'new keyframe, features 1'
    assert matcher.calls[-1] == ('match', 'new keyframe', 'features 1')
    assert len(matcher.calls) == 3


def test_without_a_keyframe_only_the_features_are_started(ahead, matcher):
    ahead.start(frame(1), None)
    assert matcher.calls == [('encode', 1)]


def test_only_two_frames_are_remembered(ahead, matcher):
    frames = [frame(number) for number in (1, 2, 3)]
    for each in frames:
        ahead.start(each, None)
    ahead.encoded(frames[1])
    ahead.encoded(frames[2])
    assert len(matcher.calls) == 3
    ahead.encoded(frames[0])
    assert len(matcher.calls) == 4


def test_what_is_forgotten_is_done_again(ahead, matcher):
    first = frame(1)
    ahead.start(first, None)
    ahead.forget()
    ahead.encoded(first)
    assert matcher.calls == [('encode', 1)] * 2


def test_a_picture_that_is_refused_is_refused_when_its_turn_comes(ahead):
    tiny = frame(1, (8, 8))
    ahead.start(tiny, 'keyframe')
    with pytest.raises(PictureError):
        ahead.encoded(tiny)


@pytest.fixture(scope='module')
def walk():
    return World().film([pose((0.04 * step, 0, 0), (0, 0.2 * step, 0)) for step in range(12)])


@pytest.fixture(scope='module')
def settings():
    values = {
        'matcher.device': 'cpu',
        'matcher.image_size': 240,
        'matcher.when': 'every_frame',
        'keyframe.max_parallax': 0.8,
    }
    return replace(Settings(), values)


def test_estimates_are_the_same_to_the_bit(walk, settings):
    alone = VisualOdometry(settings)
    expected = [alone.track(each) for each in walk]
    assert sum(each.is_keyframe for each in expected) > 1, 'no guess is ever wrong'
    for guesses in (False, True):
        ahead = VisualOdometry(settings)
        type(ahead._matcher).can_speculate, before = (
            guesses,
            type(ahead._matcher).can_speculate,
        )
        try:
            seen = [
                ahead.track(each, upcoming)
                for each, upcoming in zip(walk, [*walk[1:], None], strict=True)
            ]
        finally:
            type(ahead._matcher).can_speculate = before
        for ours, plain in zip(seen, expected, strict=True):
            assert np.array_equal(ours.pose, plain.pose)
            assert np.array_equal(ours.covariance, plain.covariance)


def test_a_stream_that_can_be_peeked_into_is_worked_on_ahead(walk, settings):
    class Peekable:
        def __init__(self, frames):
            self.waiting = list(frames)

        def __iter__(self):
            while self.waiting:
                yield self.waiting.pop(0)

        def peek(self):
            return self.waiting[0] if self.waiting else None

    odometry = VisualOdometry(settings)
    encoded = []
    encode = odometry._matcher.encode
    odometry._matcher.encode = lambda image: encoded.append(image) or encode(image)
    counts = [len(encoded) for _ in odometry.stream(Peekable(walk[:4]))]
    assert counts == [2, 3, 4, 4]
