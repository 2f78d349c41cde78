# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A text file that grows while a program works, so that the end of the program loses no line."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from loftr_vo.files.output_files import OutputError, check_writable, sync_to_disk

# Added to the name of a file that is not complete.
UNFINISHED = '.part'


class GrowingFile:
    """Lines that the operating system has as soon as they are added, in ``NAME.part`` at first.

    A kill of the process thus loses none of them. The file gets its own name at ``finish``, and
    an earlier file of that name stays until then. A full disk loses the lines from then on, not
    those before, and only ``finish`` raises: the work that they are about may be worth going on
    with. A context manager, which closes the file.

    Attributes:
        path: the file's own name.
        unfinished: its name until ``finish``.
        fault: why lines are missing; empty if none is.
        begun: whether there is an unfinished file of this object's, or was.
    """

    def __init__(self, path: str | Path, header: str = '') -> None:
        """Take what to write; the first line that is added makes the file.

        Args:
            path: of the file; folders that are missing are made with it.
            header: the first line; none if empty.

        Raises:
            OutputError: the file cannot be written.
        """
        # The unfinished file lies where a link leads, to be renamed within one file system.
        self.path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
        self.unfinished = self.path.with_name(f'{self.path.name}{UNFINISHED}')
        self.fault = ''
        self.begun = False
        self._header = header
        self._descriptor = -1
        check_writable(self.path)
        check_writable(self.unfinished)

    def __enter__(self) -> GrowingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, line: str) -> None:
        """Append a line."""
        if self.fault:
            return
        try:
            self._open()
            self._write(line)
        except OSError as error:
            self.fault = f'cannot write {self.unfinished}: {error.strerror or error}'

    def finish(self) -> None:
        """Give the complete file its own name, in place of an earlier one, and close it.

        Raises:
            OutputError: lines are missing, or the disk fails now; what there is stays under the
                name of the unfinished file.
        """
        try:
            if not self.fault:
                self._open()
                sync_to_disk(self._descriptor)
                os.replace(self.unfinished, self.path)
        except OSError as error:
            self.fault = f'cannot write {self.path}: {error.strerror or error}'
        finally:
            self.close()
        if self.fault:
            raise OutputError(self.fault)

    def close(self) -> None:
        """Close the file; may be called again."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        if self.begun:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Not blocking: a FIFO that came after the check would never open.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC
        self._descriptor = os.open(self.unfinished, flags, 0o666)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self.close()
            raise OSError('it is not a regular file')
        self.begun = True
        if self._header:
            self._write(self._header)

    def _write(self, line: str) -> None:
        data = f'{line}\n'.encode('utf-8', errors='backslashreplace')
        start = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BaseException:
            # Half a line could be taken for a whole one.
            os.ftruncate(self._descriptor, start)
            os.lseek(self._descriptor, start, os.SEEK_SET)
            raise
