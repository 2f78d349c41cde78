# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of an IMU come with the frames that they belong to, none left out."""

import threading

import pytest

from loftr_vo.imaging.imu_buffer import ImuBuffer


def filled(stamps, capacity=100):
    buffer = ImuBuffer(capacity)
    put(buffer, stamps)
    return buffer


def put(buffer, stamps):
    for stamp in stamps:
        buffer.put(stamp, (stamp, 0.0, 0.0), (0.0, 0.0, 10.0 * stamp))


def taken(buffer, stamp, patience=0.0):
    samples = buffer.take(stamp, patience)
    return [] if samples is None else samples.stamps.tolist()


def test_a_frame_gets_what_came_since_the_last_and_one_beyond_each_end():
    buffer = filled(range(0, 100, 10))
    assert taken(buffer, 25) == [0, 10, 20, 30]
    assert taken(buffer, 52) == [20, 30, 40, 50, 60]
    # A frame between two measurements has both, and those at its very time are the ends.
    assert taken(buffer, 58) == [50, 60]
    assert taken(buffer, 80) == [50, 60, 70, 80]
    assert taken(buffer, 90) == [80, 90]


def test_values_stay_with_their_stamps():
    samples = filled([10, 20]).take(15)
    assert samples.angular_velocity.tolist() == [[10, 0, 0], [20, 0, 0]]
    assert samples.specific_force.tolist() == [[0, 0, 100], [0, 0, 200]]


def test_what_is_late_comes_with_the_next_frame_and_continues_the_last():
    buffer = filled([0, 10, 20])
    assert taken(buffer, 50) == [0, 10, 20]
    put(buffer, [30, 40, 50, 60, 70, 80, 90, 100])
    assert taken(buffer, 95) == [20, 30, 40, 50, 60, 70, 80, 90, 100]


def test_it_is_waited_for_what_comes_and_no_longer():
    buffer = filled([0])
    threading.Timer(0.05, put, (buffer, [10, 20])).start()
    assert taken(buffer, 15, patience=60.0) == [0, 10, 20]
    assert taken(buffer, 30, patience=0.01) == [10, 20]


def test_closing_ends_the_waiting():
    buffer = ImuBuffer(10)
    threading.Timer(0.05, buffer.close).start()
    assert buffer.take(10, patience=60.0) is None


def test_memory_is_bounded_where_no_frame_comes():
    buffer = filled(range(1000), capacity=10)
    assert len(buffer) == 10
    assert taken(buffer, 995) == [990, 991, 992, 993, 994, 995]


def test_after_a_clock_was_set_back_it_goes_on_from_there():
    buffer = filled([1000, 1010, 1020])
    assert taken(buffer, 1015) == [1000, 1010, 1020]
    buffer.clear()
    put(buffer, [10, 20, 30])
    assert taken(buffer, 25) == [10, 20, 30]
    put(buffer, [40])
    assert taken(buffer, 35) == [20, 30, 40]


def test_the_newest_are_looked_at_without_being_taken():
    buffer = filled([0, 10, 20, 30])
    assert buffer.since(15).stamps.tolist() == [10, 20, 30]
    assert buffer.since(20).stamps.tolist() == [20, 30]
    assert buffer.since(-5).stamps.tolist() == [0, 10, 20, 30]
    assert ImuBuffer(10).since(0) is None
    assert taken(buffer, 30) == [0, 10, 20, 30]


@pytest.mark.parametrize(('frame', 'apart'), [(25, 5), (500, 470), (5, 5)])
def test_how_far_the_nearest_is(frame, apart):
    buffer = filled([10, 20, 30])
    buffer.take(frame)
    assert buffer.apart == apart
