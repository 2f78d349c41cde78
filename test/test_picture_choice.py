# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Which of the pictures that wait is worked on next."""

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from loftr_vo.ros.picture_choice import PictureChoice


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
