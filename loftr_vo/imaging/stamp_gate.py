# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the stamps of a stream go on, are wrong one at a time, or jump with their clock."""

from __future__ import annotations

import enum

from loftr_vo.geometry.plausible import STAMP
from loftr_vo.imaging.frame import JUMP_BACK

# A stamp further ahead than this, beyond the time that went by, is not believed at once.
_JUMP_AHEAD = 10 * 10**9
# A clock that runs this many times as fast as time goes by is a recording that is played so.
_FASTEST = 4.0
# So many stamps in a row that go on from each other, but not from what was, are a clock that was
# set; fewer are wrong.
AGREEING = 3


class Succession(enum.Enum):
    """How a stamp follows on those before."""

    GOES_ON = enum.auto()
    REFUSED = enum.auto()
    JUMP = enum.auto()


class StampGate:
    """Judges the stamps of one stream in the order in which they come.

    Attributes:
        last: nanoseconds, of the last one that was taken; None before there is one.
    """

    def __init__(self) -> None:
        self.last: int | None = None
        self._arrival = 0.0
        self._aside: list[int] = []
        self._jump_expected = 0

    def expect_jump(self) -> None:
        """Take the next stamp that goes back, by however little, for a clock that was set back.

        That is over as soon as several have gone on: they come from the clock as it is now.
        """
        self._jump_expected = AGREEING

    def judge(self, stamp: int, arrival: float = 0.0) -> Succession:
        """Say how a stamp follows on the last, and remember it if it is taken.

        Args:
            stamp: nanoseconds.
            arrival: seconds of a clock that nobody sets, when it came; zero if not known.
        """
        if not STAMP.holds(stamp):
            return Succession.REFUSED
        if self.last is None or self._goes_on(stamp, arrival):
            self._jump_expected = max(0, self._jump_expected - 1)
            return self._take(stamp, arrival, Succession.GOES_ON)
        if stamp <= self.last and self._jump_expected:
            if stamp == self.last:
                return Succession.REFUSED
            self._jump_expected = 0
            return self._take(stamp, arrival, Succession.JUMP)
        if self.last - JUMP_BACK <= stamp <= self.last:
            return Succession.REFUSED
        if self._aside and not 0 < stamp - self._aside[-1] <= _JUMP_AHEAD:
            self._aside.clear()
        self._aside.append(stamp)
        if len(self._aside) < AGREEING:
            return Succession.REFUSED
        return self._take(stamp, arrival, Succession.JUMP)

    def _goes_on(self, stamp: int, arrival: float) -> bool:
        assert self.last is not None
        passed = _FASTEST * max(0.0, arrival - self._arrival) * 1e9
        return 0 < stamp - self.last <= _JUMP_AHEAD + passed

    def _take(self, stamp: int, arrival: float, how: Succession) -> Succession:
        self.last, self._arrival = stamp, arrival
        self._aside.clear()
        return how
