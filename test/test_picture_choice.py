# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Which of the pictures that wait is worked on next."""

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from loftr_vo.ros.picture_choice import PictureChoice
from loftr_vo.ros.picture_decoder import PictureDecoder


class Odometry:
    """One that tracks pictures up to a number; the pictures are numbers."""

    def __init__(self, reach):
        self.reach = reach
        self.tried = []

    def can_track(self, frame):
        self.tried.append(frame)
        return frame <= self.reach


class Decoder:
    def frame(self, arrival):
        return arrival


@pytest.mark.parametrize(
    ('reach', 'chosen', 'tried'),
    [
        (20, 15, [15]),
        (9, 7, [15, 7]),
        (2, 1, [15, 7, 3, 1]),
        (0, 0, [15, 7, 3, 1, 0]),
        (-1, 15, [15, 7, 3, 1, 0]),
    ],
)
def test_the_newest_that_can_be_tracked_by_halves_else_the_newest(reach, chosen, tried):
    odometry = Odometry(reach)
    assert PictureChoice(odometry, Decoder())(list(range(16))) == chosen
    assert odometry.tried == tried


def test_a_picture_that_cannot_be_used_is_reported_before_others_are_tried():
    odometry = Odometry(20)
    assert PictureChoice(odometry, Decoder())([0, 1, None]) == 2
    assert not odometry.tried


def test_what_was_tried_is_decoded_once_and_kept_no_longer_than_until_one_is_taken(monkeypatch):
    decoder = PictureDecoder(lambda: None, None, None)
    decoded = []
    monkeypatch.setattr(decoder, '_decode', lambda arrival: decoded.append(arrival) or arrival)
    waiting = [object() for _ in range(16)]
    for index in (15, 7, 3):
        decoder.frame(waiting[index])
    assert decoder.take(waiting[3]) is waiting[3]
    assert len(decoded) == 3
    assert decoder._tried == [], 'raw pictures of a large camera are tens of megabytes'
    assert decoder.take(waiting[4]) is waiting[4]
    assert len(decoded) == 4
