# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The diagnosis in the log, for those who watch nothing else."""

from __future__ import annotations

import re

from loftr_vo.ros.health import Level, Verdict
from loftr_vo.ros.limited_log import LimitedLog


class VerdictLog:
    """Logs the diagnosis when it changes and stays so; figures in it may change as they like.

    Args:
        log: where to.
    """

    def __init__(self, log: LimitedLog) -> None:
        self._log = log
        self._last: Verdict | None = None
        self._logged: Verdict | None = None

    def note(self, verdict: Verdict) -> None:
        """Take notice of the diagnosis; called now and then."""
        settled = self._last is not None and _same(verdict, self._last)
        self._last = verdict
        if not settled or (self._logged is not None and _same(verdict, self._logged)):
            return
        self._logged = verdict
        level, message = verdict
        log = {Level.OK: self._log.info, Level.WARN: self._log.warning}
        log.get(level, self._log.error)(_without_figures(message), message)


def _same(one: Verdict, other: Verdict) -> bool:
    return one[0] is other[0] and _without_figures(one[1]) == _without_figures(other[1])


def _without_figures(text: str) -> str:
    return re.sub(r'\d+(\.\d+)?', '', text)
