# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Every fault of an IMU's measurements is named and counted, and is over when it is over."""

import math

import numpy as np
import pytest

from loftr_vo.imaging.imu_buffer import ImuBuffer
from loftr_vo.imaging.imu_signal import ImuSignal
from loftr_vo.imaging.stamp_gate import Succession

SECOND = 10**9
PERIOD = 5_000_000
REST = np.array([0.0, 0.0, 9.81])
NOISE = np.random.default_rng(0).normal(0.0, 0.02, (4000, 6))


class Source:
    """A driver at rest at 200 Hz, whose measurements tests change."""

    def __init__(self):
        self.signal = ImuSignal()
        self.index = 0
        self.stamp = 100 * SECOND

    def measured(self):
        self.index += 1
        noise = NOISE[self.index % len(NOISE)]
        return noise[:3].copy(), noise[3:] + REST

    def send(self, change=lambda turn, force: (turn, force), step=PERIOD):
        self.stamp += step
        turn, force = change(*self.measured())
        return self.signal.accept(self.stamp, tuple(turn), tuple(force))

    def good(self, seconds=1.5):
        """Send good ones; return how often they were refused."""
        count = round(seconds * SECOND / PERIOD)
        return sum(self.send() is Succession.REFUSED for _ in range(count))

    @property
    def fault(self):
        return self.signal.report.fault


@pytest.fixture
def source():
    source = Source()
    source.good()
    assert source.fault == ''
    return source


def test_good_measurements_have_no_fault(source):
    assert source.good(10.0) == 0
    report = source.signal.report
    assert (report.fault, report.counts, report.is_usable) == ('', '', True)
    assert report.hertz == pytest.approx(200.0, rel=0.01)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('which', [0, 1])
def test_what_is_not_finite_is_refused(source, bad, which):
    def change(*measured):
        measured[which][1] = bad
        return measured

    assert source.send(change) is Succession.REFUSED
    assert source.fault == 'a measurement is not finite'
    assert source.signal.report.counts == 'not finite 1'


@pytest.mark.parametrize(('which', 'words'), [(0, 'turn rate'), (1, 'specific force')])
def test_huge_values_are_refused(source, which, words):
    def change(*measured):
        measured[which][2] = -1e155
        return measured

    assert source.send(change) is Succession.REFUSED
    assert source.fault.startswith(f'a {words} of -1e+155')
    assert source.signal.report.counts == 'implausible 1'


def test_missing_measurements_are_named(source):
    assert source.send(step=10 * PERIOD) is Succession.GOES_ON
    assert source.fault == 'measurements are missing for 50 ms, where 5.0 ms are usual'


def test_a_driver_that_sends_in_bursts_misses_nothing():
    source = Source()
    for _ in range(100):
        source.send(step=SECOND // 25)
        for _ in range(7):
            source.send(step=PERIOD // 50)
    assert source.signal.report.counts == ''


def test_doubled_and_late_ones_are_refused_and_named(source):
    assert source.send(step=0) is Succession.REFUSED
    assert source.fault == 'measurements come twice, with one stamp'
    source.good(4.0)
    assert source.fault == ''
    last = source.stamp
    assert source.send(step=-2 * PERIOD) is Succession.REFUSED
    assert source.fault == 'measurements are out of order, by 10.0 ms'
    source.stamp = last
    assert source.good(4.0) == 0
    assert source.signal.report.counts == 'doubled 1, out of order 1'


@pytest.mark.parametrize('stamp', [-1, 0, 2**62, 3700 * SECOND])
def test_a_stamp_that_cannot_be_is_refused(source, stamp):
    last, source.stamp = source.stamp, stamp
    assert source.send(step=0) is Succession.REFUSED
    assert 'is far from' in source.fault
    source.stamp = last
    assert source.good() == 0


def test_a_clock_that_was_set_is_followed(source):
    source.stamp = SECOND
    how = [source.send() for _ in range(3)]
    assert how == [Succession.REFUSED, Succession.REFUSED, Succession.JUMP]
    assert source.good() == 0
    assert source.fault.startswith('its clock was set to 1.0')
    assert source.good(3.0) == 0
    assert source.fault == ''


def test_saturation_names_the_axis(source):
    def spin(turn, force):
        return (*turn[:2], min(turn[2] + 5.0, 4.363)), force

    for _ in range(10):
        assert source.send(spin) is Succession.GOES_ON
    assert source.fault == 'the gyroscope is saturated about z, at 4.36 rad/s'
    source.good(4.0)

    def shock(turn, force):
        return turn, (force[0], max(force[1] - 30.0, -19.61), force[2])

    for _ in range(3):
        source.send(shock)
    assert source.fault == 'the accelerometer is saturated along y, at 19.6 m/s^2'


def test_fast_and_even_motion_is_not_saturated(source):
    for _ in range(400):
        source.send(lambda turn, force: (turn + 5.0, force * 1.8))
    # A simulated one has no noise.
    for _ in range(400):
        source.send(lambda turn, force: ((0.0, 0.0, 3.0), (0.0, 0.0, 17.0)))
    assert source.signal.report.counts == ''


@pytest.mark.parametrize(
    ('factor', 'words'),
    [
        (1 / 9.81, 'the specific force is given in g (it is 1.00 long), not in m/s^2'),
        (0.0, 'there is no gravity in the specific force'),
        (1000 / 9.81, 'the specific force is 1000 long, not in'),
        (1000.0, 'the specific force is 98'),
    ],
)
def test_another_unit_makes_it_unusable_until_it_is_right(source, factor, words):
    for _ in range(500):
        source.send(lambda turn, force: (turn, factor * force))
    assert source.fault.startswith(words)
    assert not source.signal.report.is_usable
    source.good(2.5)
    assert (source.fault, source.signal.report.is_usable) == ('', True)


def test_forces_without_gravity_are_not_taken_for_g(source):
    for index in range(500):
        source.send(lambda turn, force, at=index / 200: (turn, (1.2 * math.sin(3 * at), 0.1, 0.2)))
    assert source.fault.startswith('there is no gravity in the specific force')


def test_an_even_push_without_gravity_may_be_in_g_too(source):
    for _ in range(500):
        source.send(lambda turn, force: (turn, (1.6, 0.1, 0.2)))
    assert source.fault.startswith('the specific force is 1.62 long: it is given in g')


def test_a_rate_that_is_too_low_is_named():
    source = Source()
    for _ in range(40):
        source.send(step=SECOND // 10)
    assert source.fault.startswith('it measures 10.0 times a second, too seldom')
    assert not source.signal.report.is_usable


def test_a_flight_with_hard_manoeuvres_is_in_metres():
    source = Source()
    for index in range(2000):
        push = 1.0 + 0.9 * math.sin(0.05 * index)
        source.send(lambda turn, force, push=push: (turn, push * force))
    assert source.signal.report.counts == ''
    assert source.signal.report.is_usable


def test_whatever_comes_what_is_kept_is_in_order_and_finite():
    rng = np.random.default_rng(0)
    signal, buffer = ImuSignal(), ImuBuffer(500)
    extremes = [0.0, -0.0, 1e-300, 9.81, 1e3, 1e155, -1e300, math.nan, math.inf, -math.inf]
    edges = [-(2**31) * SECOND, -1, 0, 1, 2**31 * SECOND - 1, 2**31 * SECOND, 2**62]
    stamp = 100 * SECOND
    for index in range(5000):
        turn, force = (tuple(rng.choice(extremes[: rng.choice([5, 10])], 3)) for _ in range(2))
        stamp += int(rng.integers(-2 * PERIOD, 4 * PERIOD))
        given = int(rng.choice(edges)) if index % 50 == 7 else stamp
        how = signal.accept(given, turn, force)
        if how is Succession.JUMP:
            buffer.clear()
        if how is not Succession.REFUSED:
            buffer.put(given, turn, force)
        if index % 20 == 0:
            samples = buffer.take(stamp)
            assert samples is None or np.isfinite(samples.specific_force).all()
            assert samples is None or np.isfinite(samples.angular_velocity).all()
    assert len(signal.report.fault) < 200
    for kind in ('not finite', 'implausible', 'out of order', 'stamp'):
        assert kind in signal.report.counts
