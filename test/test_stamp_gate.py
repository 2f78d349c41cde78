# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""One stamp that is wrong is refused; several that agree are a clock that was set."""

import pytest

from loftr_vo.imaging.stamp_gate import StampGate, Succession

SECOND = 10**9
GOES_ON, REFUSED, JUMP = Succession.GOES_ON, Succession.REFUSED, Succession.JUMP


def judged(gate, *seconds):
    return [gate.judge(round(each * SECOND)) for each in seconds]


@pytest.fixture
def gate():
    gate = StampGate()
    assert judged(gate, 100.0, 100.1) == [GOES_ON] * 2
    return gate


@pytest.mark.parametrize('wrong', [1e6, 2**31 - 2, 3.0, 0.0, -5.0, 2**32])
def test_one_that_is_far_off_is_refused_and_the_next_goes_on(gate, wrong):
    assert judged(gate, wrong, 100.2, 100.3) == [REFUSED, GOES_ON, GOES_ON]
    assert gate.last == round(100.3 * SECOND)


def test_those_that_are_wrong_now_and_then_never_agree(gate):
    for index in range(20):
        assert judged(gate, 5000 + index, 100.2 + 0.1 * index) == [REFUSED, GOES_ON]


@pytest.mark.parametrize('start', [5000.0, 20.0])
def test_several_that_agree_are_a_jump(gate, start):
    assert judged(gate, start, start + 0.1, start + 0.2) == [REFUSED, REFUSED, JUMP]
    assert judged(gate, start + 0.3, 100.2) == [GOES_ON, REFUSED]


def test_several_that_do_not_agree_are_none(gate):
    assert judged(gate, 5000, 9000, 400, 7000, 6000) == [REFUSED] * 5


@pytest.mark.parametrize('late', [100.1, 99.5])
def test_a_late_one_and_a_double_are_refused(gate, late):
    assert judged(gate, late, late, late, late) == [REFUSED] * 4


def test_a_pause_of_the_camera_is_no_jump():
    gate = StampGate()
    gate.judge(SECOND, arrival=50.0)
    # A minute without pictures, by the clock that nobody sets, too.
    assert gate.judge(61 * SECOND, arrival=110.0) is GOES_ON
    assert gate.judge(500 * SECOND, arrival=111.0) is REFUSED


def test_after_a_clock_was_set_back_a_little_is_a_jump(gate):
    gate.expect_jump()
    assert judged(gate, 100.05, 100.15, 100.1) == [JUMP, GOES_ON, REFUSED]


def test_what_is_expected_is_forgotten_once_time_goes_on(gate):
    gate.expect_jump()
    assert judged(gate, 100.2, 100.3, 100.4) == [GOES_ON] * 3
    # Hours later, ten milliseconds out of order.
    assert judged(gate, 100.39) == [REFUSED]
