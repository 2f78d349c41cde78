# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the measurements of an IMU one after the other, without knowing how it moves.

Refused are those that are not finite or implausible, and those whose stamp does not go on from
the last. Named, and kept, are gaps, saturation, specific forces in another unit, and a rate that
is too low.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from loftr_vo.geometry.plausible import SPECIFIC_FORCE, TURN_RATE
from loftr_vo.imaging.frame import JUMP_BACK
from loftr_vo.imaging.imu_rate import too_slow
from loftr_vo.imaging.imu_report import ImuFaults, ImuReport
from loftr_vo.imaging.saturation import Saturation
from loftr_vo.imaging.specific_force_unit import wrong_unit
from loftr_vo.imaging.stamp_gate import StampGate, Succession

# Nanoseconds over which rate and unit are determined.
_WINDOW = 10**9
_FEWEST = 20  # measurements, of which a median or a quantile means something
# Intervals between measurements that are remembered.
_INTERVALS = 200
# Of these, this share is no longer than what counts as usual: a driver that sends ten at a time
# has one long interval in ten.
_USUAL = 0.9
# An interval this many times the usual one lacks measurements.
_GAP = 2.5


class ImuSignal:
    """The measurements of one IMU as they come; one thread at a time gives them.

    Attributes:
        report: replaced, not changed, so that other threads can read it.
    """

    def __init__(self) -> None:
        self.report = ImuReport()
        self._faults = ImuFaults()
        self._stamps = StampGate()
        self._start_anew()

    def accept(
        self, stamp: int, angular_velocity: Sequence[float], specific_force: Sequence[float]
    ) -> Succession:
        """Check a measurement.

        Args:
            stamp: nanoseconds.
            angular_velocity: of three axes in rad/s.
            specific_force: of three axes in m/s^2.

        Returns:
            ``REFUSED`` if it is to be left out; ``JUMP`` if the clock was set, and what came
            before does not belong to it.
        """
        last = self._stamps.last
        if not self._is_plausible(angular_velocity, specific_force):
            self._make_report()
            return Succession.REFUSED
        how = self._stamps.judge(stamp)
        if how is Succession.REFUSED:
            self._name_stamp(stamp, last or 0)
            return how
        if how is Succession.JUMP:
            self._faults.forget_times()
            self._add('clock set', f'its clock was set to {stamp * 1e-9:.3f} s')
            self._start_anew()
        elif last is not None:
            self._check_interval(stamp - last)
        for text in self._saturation.add(angular_velocity, specific_force):
            self._add('saturated', text)
        self._forces.append(math.hypot(*specific_force))
        self._check_window(stamp)
        return how

    def _start_anew(self) -> None:
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._usual = 0
        self._saturation = Saturation()
        self._window_start: int | None = None
        self._forces: list[float] = []
        self._unusable = ''
        self._hertz = 0.0

    def _is_plausible(self, angular_velocity: Sequence[float], force: Sequence[float]) -> bool:
        if not all(map(math.isfinite, (*angular_velocity, *force))):
            self._add('not finite', 'a measurement is not finite')
            return False
        for values, within in ((angular_velocity, TURN_RATE), (force, SPECIFIC_FORCE)):
            if max(map(abs, values)) > within.high:
                largest = max(values, key=abs)
                self._add('implausible', f'a {within.what} of {largest:.3g} {within.unit}')
                return False
        return True

    def _name_stamp(self, stamp: int, last: int) -> None:
        behind = (last - stamp) * 1e-9
        if stamp == last:
            self._add('doubled', 'measurements come twice, with one stamp')
        elif 0 < last - stamp <= JUMP_BACK:
            self._add('out of order', f'measurements are out of order, by {1e3 * behind:.1f} ms')
        else:
            self._add('stamp', f'the stamp {stamp * 1e-9:.3f} s is far from {last * 1e-9:.3f} s')
        self._make_report()

    def _check_interval(self, interval: int) -> None:
        if self._usual and interval > _GAP * self._usual:
            self._add(
                'gap',
                f'measurements are missing for {1e-6 * interval:.0f} ms, where '
                f'{1e-6 * self._usual:.1f} ms are usual',
            )
        self._intervals.append(interval)

    def _check_window(self, stamp: int) -> None:
        """Determine rate, usual interval and unit, once for each window."""
        if self._window_start is None:
            self._window_start = stamp
        seconds = (stamp - self._window_start) * 1e-9
        if stamp - self._window_start < _WINDOW or len(self._forces) < _FEWEST:
            return
        self._hertz = (len(self._forces) - 1) / seconds
        self._usual = sorted(self._intervals)[int(_USUAL * (len(self._intervals) - 1))]
        self._unusable = wrong_unit(self._forces) or too_slow(self._hertz)
        self._window_start, self._forces = stamp, self._forces[-1:]
        self._saturation.next_window()
        self._make_report()

    def _add(self, kind: str, text: str) -> None:
        now = self._stamps.last or 0
        is_new = self._faults.is_new(kind, now)
        self._faults.add(kind, now, text)
        if is_new:
            self._make_report()

    def _make_report(self) -> None:
        fault = self._unusable or self._faults.current(self._stamps.last or 0)
        self.report = ImuReport(fault, not self._unusable, str(self._faults), self._hertz)
