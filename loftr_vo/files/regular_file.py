# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The one place where files that others name are opened for reading: regular ones, never a hang.

A FIFO blocks whoever opens it until somebody writes, a device may never end, and some terminals
and drives do something when they are opened. All of them are refused, with their names.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from loftr_vo.files.errors import InputError, naming

# Text files are read whole. A day of poses at 30 Hz is 260 MB.
MOST_TEXT_BYTES = 1 << 29
# Pictures, the largest raw ones included.
MOST_BYTES = 1 << 30
# Calibrations and settings take a few kilobytes.
MOST_SETTINGS_BYTES = 1 << 18

# Those that the platform has: never wait, be no process's terminal, and leave bytes alone.
_FLAGS = os.O_RDONLY
for _name in ('O_NONBLOCK', 'O_NOCTTY', 'O_CLOEXEC', 'O_BINARY'):
    _FLAGS |= getattr(os, _name, 0)

_KINDS = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a FIFO'),
    (stat.S_ISSOCK, 'a socket'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
)


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        OSError: it is not there or cannot be read, or it is a folder, FIFO, socket or device.
    """
    path = os.fspath(path)
    try:
        # Looked at before it is opened, since opening a device may already do something, and
        # after it, since it may be another file by then.
        _check(os.stat(path).st_mode, path)
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:  # a null byte in the name
        raise OSError(errno.EINVAL, str(error), path) from error
    try:
        _check(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, 'rb')
    except BaseException:
        os.close(descriptor)
        raise


def check_regular(path: str | Path, kind: type[InputError] = InputError) -> None:
    """Make sure that a library may open a file by its name.

    Raises:
        InputError: of the class ``kind``; as ``open_regular``.
    """
    with naming(path, kind):
        open_regular(path).close()


def read_bytes(
    path: str | Path, kind: type[InputError] = InputError, most: int = MOST_BYTES
) -> bytes:
    """Return what a regular file holds.

    Args:
        path: the file.
        kind: the class of the error.
        most: bytes; a larger file is refused without reading it.

    Raises:
        InputError: of the class ``kind``: it cannot be read, is no regular file, or too large.
    """
    with naming(path, kind), open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f'it is larger than {most} bytes')
        # Files of the kernel have no size.
        data = file.read(most + 1)
        if len(data) > most:
            raise OSError(errno.EFBIG, f'it is larger than {most} bytes')
        return data


def read_text(
    path: str | Path, kind: type[InputError] = InputError, most: int = MOST_TEXT_BYTES
) -> str:
    """Return the text in a regular file of UTF-8; see ``read_bytes``.

    Raises:
        InputError: as ``read_bytes``; the file is not UTF-8 (names the line).
    """
    data = read_bytes(path, kind, most)
    with naming(path, kind):
        # Some editors begin their files with a mark of byte order.
        return data.decode('utf-8-sig')


def _check(mode: int, path: str) -> None:
    if stat.S_ISREG(mode):
        return
    what = next((name for test, name in _KINDS if test(mode)), 'of another kind')
    raise OSError(errno.EINVAL, f'it is {what}, not a regular file', path)
