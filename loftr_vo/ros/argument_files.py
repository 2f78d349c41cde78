# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The files that a node's command line names, looked at before ROS opens them."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

from loftr_vo.files.regular_file import check_regular

_OPTIONS = ('--params-file', '--log-config-file')


def check_argument_files(words: Sequence[str] | None) -> None:
    """Make sure that ROS does not wait for ever for a FIFO: it cannot be interrupted there.

    Args:
        words: the command line; that of the process if None.

    Raises:
        InputError: a file is not there, or no regular file.
    """
    words = sys.argv if words is None else words
    for option, name in itertools.pairwise(words):
        if option in _OPTIONS:
            check_regular(name)
