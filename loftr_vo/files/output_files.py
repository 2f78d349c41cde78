# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are written whole or not at all.

A file is written beside its name, synced to the disk, and renamed. Whoever reads the name finds
the old content or the new one, and never a part, also after a full disk or a kill.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# What a name is given while its file is unfinished: one fixed length, whatever the name's.
_PREFIX, _SUFFIX = '.loftr_vo-', '.part'
# A file system that cannot sync (some network and FUSE ones) is no reason to write nothing.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


class OutputError(OSError):
    """A file cannot be written; the message has its name and the reason."""


@contextlib.contextmanager
def replacing(path: str | Path, sync: bool = True) -> Iterator[BinaryIO]:
    """Yield a file to write to, which takes the place of ``path`` once the block ends well.

    Where the block or the disk fails, what was at ``path`` stays as it was and nothing is left
    beside it. Folders that are missing are made. A symbolic link is followed, as by ``open``.

    Args:
        path: of a regular file, or of nothing yet.
        sync: wait until the disk has it; False is for many files that are lost together anyway.

    Raises:
        OutputError: ``path`` is a folder, a FIFO or a device, or cannot be written; an
            ``OSError`` in the block is taken for a failed write.
    """
    with _naming(path):
        target = _target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = _beside(target.parent)
        file = _create(unfinished)
        try:
            yield file
            file.flush()
            _finish(file, target, sync)
            file.close()
            os.replace(unfinished, target)
        # An interrupt, too, leaves nothing behind.
        except BaseException:
            # Closing flushes, which fails again where the disk is full.
            with contextlib.suppress(OSError, ValueError):
                file.close()
            unfinished.unlink(missing_ok=True)
            raise
        if sync:
            _sync_folder(target.parent)


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Yield where to make a folder of the same name, which is moved to ``path`` in the end.

    Where the block fails, all of it is removed, and nothing is at ``path``.

    Raises:
        OutputError: there is something at ``path``, or it cannot be written; an ``OSError`` in
            the block is taken for a failed write.
    """
    with _naming(path):
        target = Path(os.path.realpath(path))
        if os.path.lexists(target):
            raise OutputError(f'cannot write {path}: it is there already')
        target.parent.mkdir(parents=True, exist_ok=True)
        around = _beside(target.parent)
        around.mkdir()
        try:
            yield around / target.name
            os.rename(around / target.name, target)
        finally:
            shutil.rmtree(around, ignore_errors=True)


def write_bytes(path: str | Path, data: bytes, sync: bool = True) -> None:
    """Write a file whole or not at all; see ``replacing``."""
    with replacing(path, sync) as file:
        file.write(data)


def write_text(path: str | Path, text: str, sync: bool = True) -> None:
    """Write text as UTF-8, whole or not at all; see ``replacing``.

    What has no UTF-8, half of a surrogate pair as in undecodable file names, is escaped.
    """
    write_bytes(path, text.encode('utf-8', errors='backslashreplace'), sync)


def check_writable(path: str | Path) -> None:
    """Make sure that ``path`` can be written, without leaving anything behind.

    Folders that are missing are not made, but must be possible to make. Whether the disk has
    room for what is going to be written is not known.

    Raises:
        OutputError: as ``replacing``; also for a file that is there and write-protected.
    """
    with _naming(path):
        target = _target(path)
        if target.exists() and not os.access(target, os.W_OK):
            raise OutputError(f'cannot write {path}: it is write-protected')
        _check_folder(target.parent)


def check_folder(folder: str | Path) -> None:
    """Make sure that files can be written into a folder, made or not; leaves nothing behind.

    Raises:
        OutputError: it is no folder, cannot be made, or nothing can be written into it.
    """
    with _naming(folder):
        _check_folder(Path(os.path.realpath(folder)))


def inside(folder: str | Path, name: str | Path) -> Path:
    """Return the path of the file called ``name`` in a folder, and never one outside of it.

    For names that come from others. Symbolic links are resolved, so that the path can be opened
    or replaced without following one.

    Args:
        folder: need not exist yet.
        name: relative to the folder, or absolute and in it.

    Raises:
        OutputError: the name has ``..``, leads outside, also by a link, or names the folder.
    """
    try:
        root = Path(folder).resolve()
        path = (root / name).resolve()
    # ValueError: a null byte. RuntimeError, OSError: links that lead to each other.
    except (ValueError, RuntimeError, OSError) as error:
        raise OutputError(f'{str(name)!r} is no name of a file: {error}') from error
    # What is still a link is one of a circle, which Python 3.13 leaves as it is.
    linked = any(part.is_symlink() for part in (path, *path.parents))
    out = path == root or not path.is_relative_to(root)
    if '..' in Path(name).parts or out or linked:
        raise OutputError(f'{str(name)!r} is not a file in {root}; files are written only there')
    return path


@contextlib.contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Add the name of the file to every error."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror or error}') from error
    except ValueError as error:
        if 'null byte' not in str(error) and 'null character' not in str(error):
            raise
        raise OutputError(f'cannot write {str(path)!r}: {error}') from error


def _target(path: str | Path) -> Path:
    """Return where ``path`` leads, refusing what is there and is no regular file."""
    target = Path(os.path.realpath(path))
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return target
    if stat.S_ISDIR(mode):
        raise OutputError(f'cannot write {path}: it is a folder')
    if not stat.S_ISREG(mode):
        raise OutputError(f'cannot write {path}: it is not a regular file')
    return target


def _beside(folder: Path) -> Path:
    return folder / f'{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}'


def _create(path: Path) -> BinaryIO:
    # The mode is cut down by the umask, as that of any new file; tempfile's would be private.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, 'O_CLOEXEC', 0)
    return os.fdopen(os.open(path, flags, 0o666), 'wb')


def _finish(file: BinaryIO, target: Path, sync: bool) -> None:
    """Give the file the old one's permissions, and wait until the disk has it."""
    # Some file systems have no permissions to give.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
    if sync:
        sync_to_disk(file.fileno())


def sync_to_disk(descriptor: int) -> None:
    """Wait until the disk has an open file, where the file system supports it."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _sync_folder(folder: Path) -> None:
    """Make the renaming last; that the file is whole does not depend on it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_folder(folder: Path) -> None:
    """Write a file into the folder, or into the one in which it would have to be made."""
    # The whole path is checked first: a name that is too long shows only there.
    while not _is_there(folder):
        folder = folder.parent
    probe = _beside(folder)
    try:
        _create(probe).close()
    finally:
        probe.unlink(missing_ok=True)


def _is_there(folder: Path) -> bool:
    try:
        os.stat(folder)
    except FileNotFoundError:
        return False
    return True
