# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a bag as rosbags opens them: regular ones, and no length taken on trust."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.files.limited_yaml import parse_yaml
from loftr_vo.files.regular_file import open_regular, read_text

# metadata.yaml has a few lines for each topic and each file.
_MOST_METADATA = 1 << 24
# Python allocates as many bytes as are to be read before it reads. Smaller reads are not checked.
_LARGE = 1 << 20


class _BoundedFile(io.BufferedReader):
    """Reads no more than the file has, whatever length a damaged record states."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._end = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGE:
            size = min(size, max(self._end - self.tell(), 0))
        return super().read(size)


class BagPath(type(Path())):  # type: ignore[misc]  # Path itself cannot be inherited before 3.12
    """A path that rosbags opens files by."""

    def open(self, mode: str = 'r', *args: Any, **options: Any) -> Any:
        """Open for reading bytes; raises ``OSError`` where it is no regular file."""
        if mode != 'rb':
            raise OSError(errno.EINVAL, f'opened as {mode!r}', str(self))
        file = open_regular(self)
        assert isinstance(file, io.BufferedReader)
        return _BoundedFile(file.detach())

    def read_text(self, *args: Any, **options: Any) -> str:
        """Return the text of ``metadata.yaml``; raises ``DatasetError``.

        It is held against our limits first: rosbags' own parser takes long for many brackets.
        """
        text = read_text(self, DatasetError, _MOST_METADATA)
        parse_yaml(text, self, DatasetError)
        return text
