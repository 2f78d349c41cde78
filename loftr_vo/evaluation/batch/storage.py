# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings and results by path or by URL; URLs are fsspec's (s3://, gs://, file://, ...)."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loftr_vo.files.errors import InputError
from loftr_vo.files.output_files import OutputError, write_bytes


class StorageError(InputError):
    """A URL cannot be read; the message says why."""


def is_url(place: str) -> bool:
    """Whether a place is a URL and not a path."""
    return '://' in place


def join(place: str, *names: str) -> str:
    """Return a place in a folder, given by path or URL."""
    if is_url(place):
        return '/'.join([place.rstrip('/'), *names])
    return str(Path(place, *names))


def filesystem(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the path in it.

    Raises:
        StorageError: fsspec, or its package for this kind of URL, is not installed.
    """
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise StorageError(
            f'{url} needs fsspec and its package for this kind of URL '
            f'("pip install \'loftr_vo[cluster]\'"; s3fs for s3://, gcsfs for gs://): {error}'
        ) from error
    except ValueError as error:
        raise StorageError(f'{url}: {error}') from error
    return system, path


def find(pattern: str) -> list[str]:
    """Return the URLs that a glob pattern with a scheme matches, in order."""
    system, path = filesystem(pattern)
    return [system.unstrip_protocol(found) for found in sorted(system.glob(path))]


def read(place: str) -> bytes | None:
    """Return the content of a file, or None where there is none or it cannot be read."""
    try:
        if is_url(place):
            system, path = filesystem(place)
            content: bytes = system.cat_file(path)
            return content
        return Path(place).read_bytes()
    except (OSError, ValueError):
        return None


def write(place: str, content: bytes) -> None:
    """Write a file whole or not at all.

    An object store makes an object visible when it is complete.

    Raises:
        OutputError: it cannot be written.
    """
    if not is_url(place):
        write_bytes(place, content)
        return
    system, path = filesystem(place)
    try:
        system.makedirs(system._parent(path), exist_ok=True)
        system.pipe_file(path, content)
    except OSError as error:
        raise OutputError(f'cannot write {place}: {error}') from error


@contextlib.contextmanager
def local_copy(place: str) -> Iterator[Path]:
    """Yield the path of a recording; one with a URL is copied here and removed after the block.

    Raises:
        StorageError: there is nothing at the URL, or it cannot be read.
    """
    if not is_url(place):
        yield Path(place)
        return
    system, path = filesystem(place)
    with tempfile.TemporaryDirectory(prefix='loftr_vo-') as folder:
        local = Path(folder) / (path.rstrip('/').rpartition('/')[2] or 'recording')
        try:
            if not system.exists(path):
                raise StorageError(f'there is nothing at {place}')
            system.get(path.rstrip('/'), str(local), recursive=True)
        except OSError as error:
            raise StorageError(f'cannot read {place}: {error}') from error
        yield local


@contextlib.contextmanager
def local_folder(place: str | None) -> Iterator[Path | None]:
    """Yield a folder to write to; that of a URL is copied there when the block ends well.

    Raises:
        OutputError: the copy cannot be written.
    """
    if place is None or not is_url(place):
        yield None if place is None else Path(place)
        return
    system, path = filesystem(place)
    with tempfile.TemporaryDirectory(prefix='loftr_vo-') as folder:
        yield Path(folder)
        try:
            system.makedirs(path, exist_ok=True)
            for file in sorted(Path(folder).iterdir()):
                system.put_file(str(file), f'{path.rstrip("/")}/{file.name}')
        except OSError as error:
            raise OutputError(f'cannot write {place}: {error}') from error


def versions(place: str) -> list[tuple[str, Any]]:
    """Return an identifier of the version of each file at a place, by its relative name.

    Of local files it is size and time of change, of others an ETag or a checksum of their file
    system, so that no file has to be read.
    """
    if is_url(place):
        system, path = filesystem(place)
        files = sorted(system.find(path)) or [path]
        return [(file.removeprefix(path), system.ukey(file)) for file in files]
    root = Path(place)
    files = [root] if root.is_file() else sorted(p for p in root.rglob('*') if p.is_file())
    stats = [(file, file.stat()) for file in files]
    return [
        (str(file.relative_to(root)), (stat.st_size, stat.st_mtime_ns)) for file, stat in stats
    ]
