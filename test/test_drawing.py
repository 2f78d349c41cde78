# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of the matches says how the odometry stands, also on a small screen."""

import cv2
import numpy as np
import pytest

from loftr_vo.drawing.caption import BACKGROUND, Words, caption
from loftr_vo.drawing.match_image import (
    MAX_POINTS,
    MAX_WIDTH,
    draw_matches,
    heading,
)
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import State

PHONE = 320  # pixels, the width of a small screen


def make_matches(points):
    count = len(points)
    confidence = np.ones(count, np.float32)
    return Matches(points, points, confidence, confidence, np.arange(count))


def strip(state, reason='', width=640):
    return caption(heading(state, reason, 1941, 1659, 12.4), width)


def has_colour(picture, low, high):
    """Return whether as many pixels as a badge has lie between two colours (BGR)."""
    return cv2.inRange(picture, np.array(low), np.array(high)).mean() / 255 > 0.03


@pytest.mark.parametrize(
    ('state', 'low', 'high'),
    [
        (State.TRACKING, (0, 100, 0), (80, 160, 80)),
        (State.INITIALISING, (0, 100, 150), (60, 150, 230)),
        (State.LOST, (20, 20, 150), (90, 90, 255)),
    ],
)
def test_the_colour_is_that_of_the_state(state, low, high):
    assert has_colour(strip(state), low, high)
    for other in State:
        assert other is state or not has_colour(strip(other), low, high)


def test_figures_fit_one_row_and_a_reason_gets_rows_of_its_own():
    plain = strip(State.TRACKING)
    reasoned = strip(State.LOST, 'only 9 of 80 matches agree with one motion')
    assert plain.shape[1] == reasoned.shape[1] == 640
    assert reasoned.shape[0] >= 2 * plain.shape[0]
    # One row: text lies within its upper and lower edge, and ends before the right one.
    ink = np.abs(plain.astype(int) - BACKGROUND).sum(axis=2) > 60
    assert not ink[0].any()
    assert not ink[:, -4:].any()


@pytest.mark.parametrize('width', [480, 644, 1284])
def test_text_can_be_read_on_a_small_screen(width):
    """Letters of the reason stay at least 7 pixels high, and light on dark."""
    reason = caption([[Words('HHHHH')]], width)
    shrunk = cv2.resize(
        reason, (PHONE, round(len(reason) * PHONE / width)), interpolation=cv2.INTER_AREA
    )
    rows = np.flatnonzero((shrunk.max(axis=2) > 120).any(axis=1))
    assert rows.max() - rows.min() + 1 >= 7


def test_a_word_longer_than_the_picture_is_written_all_the_same():
    assert caption([[Words('m' * 200)]], 480).shape[1] == 480


def test_no_lines_no_strip():
    assert caption([], 480).shape == (0, 480, 3)


@pytest.mark.parametrize('size', [(1080, 1920), (3000, 4000), (600, 2000)])
def test_large_pictures_are_shrunk_and_points_stay_on_their_places(size):
    height, width = size
    point = np.array([[width // 3, height // 2]], np.float32)
    grey = np.zeros(size, np.uint8)
    picture = draw_matches(grey, grey, make_matches(point), np.array([True]), [])
    assert picture.shape[1] == pytest.approx(MAX_WIDTH, abs=2)
    wide = width > 2 * height
    zoom = MAX_WIDTH / width if wide else MAX_WIDTH / (2 * width + 4)
    x, y = ((point[0] + 0.5) * zoom).astype(int)
    assert picture[y, x].max() > 150


def test_points_are_bounded():
    points = np.stack(np.meshgrid(np.arange(60), np.arange(60)), -1).reshape(-1, 2) * 10
    grey = np.zeros((600, 600), np.uint8)
    matches = make_matches(points.astype(np.float32))
    picture = draw_matches(grey, grey, matches, np.zeros(len(points), bool), [])
    left = (picture[:, :600, 2] > 200).astype(np.uint8)
    blobs, _ = cv2.connectedComponents(left)
    assert MAX_POINTS / 2 < blobs - 1 <= MAX_POINTS


def test_sentences_are_smaller_than_headings():
    sentence, words = 'a sentence about the matches', [Words('a heading')]
    assert caption([sentence], 1284).shape[0] < caption([words], 1284).shape[0]
