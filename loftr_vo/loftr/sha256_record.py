# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The SHA-256 of a file, and its record in a file beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from loftr_vo.files.output_files import write_text
from loftr_vo.loftr.checkpoint import WeightsError

_CHUNK = 1 << 20


def record_path(path: Path) -> Path:
    """Return the path of a file's record."""
    return path.with_name(f'{path.name}.sha256')


def write_record(path: Path, digest: str) -> None:
    """Record the SHA-256 of a file.

    Raises:
        OSError: the record cannot be written.
    """
    record = record_path(path)
    # A link may point outside the cache, where nothing may be written.
    if record.is_symlink():
        record.unlink()
    write_text(record, f'{digest}  {path.name}\n')


def recorded_sha256(path: Path) -> str | None:
    """Return the recorded SHA-256 of a file; None without a record.

    Raises:
        WeightsError: the record is a symbolic link.
    """
    record = record_path(path)
    if record.is_symlink():
        raise WeightsError(f'{record} is a symbolic link, which is not followed; remove it')
    if not record.is_file():
        return None
    with record.open('rb') as file:
        words = file.read(1024).decode('ascii', errors='replace').split()
    return words[0] if words else None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        for chunk in iter(lambda: file.read(_CHUNK), b''):
            digest.update(chunk)
    return digest.hexdigest()
