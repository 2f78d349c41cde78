# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The diagnosis in the log, for those who watch nothing else."""

from __future__ import annotations

import re
from typing import Any

from loftr_vo.ros.health import Level, Verdict


class VerdictLog:
    """Logs the diagnosis when it changes and stays so; figures in it may change as they like.

    Args:
        logger: the node's.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
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
        # A line of code each: rclpy does not let one line log with changing severity.
        if level is Level.OK:
            self._logger.info(message)
        elif level is Level.WARN:
            self._logger.warning(message)
        else:
            self._logger.error(message)


def _same(one: Verdict, other: Verdict) -> bool:
    return one[0] is other[0] and _without_figures(one[1]) == _without_figures(other[1])


def _without_figures(text: str) -> str:
    return re.sub(r'\d+(\.\d+)?', '', text)
