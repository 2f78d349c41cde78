# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the diagnosis to the log when it changes."""

from __future__ import annotations

import re

from loftr_vo.ros.level import Diagnosis, Level
from loftr_vo.ros.limited_log import LimitedLog


class DiagnosisLog:
    """Logs a diagnosis that lasts for two calls and differs in more than its figures.

    Args:
        log: where to.
    """

    def __init__(self, log: LimitedLog) -> None:
        self._log = log
        self._last: Diagnosis | None = None
        self._logged: Diagnosis | None = None

    def note(self, diagnosis: Diagnosis) -> None:
        """Log the diagnosis if it differs from the last one logged and came twice in a row."""
        settled = self._last is not None and _same(diagnosis, self._last)
        self._last = diagnosis
        if not settled or (self._logged is not None and _same(diagnosis, self._logged)):
            return
        self._logged = diagnosis
        level, message = diagnosis
        log = {Level.OK: self._log.info, Level.WARN: self._log.warning}
        log.get(level, self._log.error)(_without_figures(message), message)


def _same(one: Diagnosis, other: Diagnosis) -> bool:
    return one[0] is other[0] and _without_figures(one[1]) == _without_figures(other[1])


def _without_figures(text: str) -> str:
    return re.sub(r'\d+(\.\d+)?', '', text)
