# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Names of files that are not text: Linux takes any bytes, of which not all are UTF-8.

Python carries such bytes in its strings as lone surrogates. Files are opened by them, but they
cannot be printed or written, and OpenCV ends the process where it is given one.
"""

from __future__ import annotations

import os


def printable(name: str | os.PathLike[str]) -> str:
    """Return a name, what is not UTF-8 in it as a backslash, an x and two digits."""
    return os.fspath(name).encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')
