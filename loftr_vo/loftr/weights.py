# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Weights by name: finds or downloads the file, checks it, and loads it.

Downloads are kept in PyTorch's cache directory (``LOFTR_VO_CACHE`` names another), each beside its
SHA-256 at the time of the download. A file that changed since is rejected.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from loftr_vo.files.text import quoted
from loftr_vo.loftr.checkpoint import WeightsError, load_checkpoint
from loftr_vo.loftr.fetching import fetch
from loftr_vo.loftr.model import LoFTR
from loftr_vo.loftr.named_weights import ARCHITECTURES, PUBLISHED, check_name, remedy, weights_path
from loftr_vo.loftr.sha256_record import record_path, recorded_sha256, sha256_of, write_record


@dataclass(frozen=True)
class WeightsInfo:
    """Source and local file of weights.

    Attributes:
        name: what ``load_weights`` takes.
        source: the package, or the addresses they are downloaded from.
        path: the local file, or None if there is none.
        sha256: of the local file, or None.
        verified: whether that is the recorded one; None if there is no file or no record.
        pinned: the known SHA-256 of the published file; None if it is not known, and the first
            download is trusted.
    """

    name: str
    source: str
    path: Path | None
    sha256: str | None
    verified: bool | None
    pinned: str | None = None


def load_weights(name_or_path: str | Path, device: str | torch.device = 'cpu') -> LoFTR:
    """Return a network with its weights, in eval mode.

    Args:
        name_or_path: ``compact`` (part of the package); ``outdoor``, ``indoor`` or ``indoor_new``
            (published by the authors, downloaded when first asked for); the path of a checkpoint,
            ours or a published one; or ``random:`` and one of these names, for that architecture
            with random weights, always the same ones.
        device: where the network is put.

    Raises:
        WeightsError: there are no such weights, or they cannot be loaded or do not fit.
    """
    name = str(name_or_path)
    if name.startswith('random:'):
        model = _random_model(name.removeprefix('random:'))
    else:
        model = load_checkpoint(
            download(name) if name in ARCHITECTURES else _checkpoint_file(name)
        )
    return model.to(device).eval()


def available() -> list[WeightsInfo]:
    """Return the information on all named weights; downloads nothing."""
    return [_info(name) for name in ARCHITECTURES]


def local_file(name_or_path: str) -> Path | None:
    """Return the file of weights that are here, or None; downloads nothing."""
    try:
        named = name_or_path in ARCHITECTURES
        path = weights_path(name_or_path) if named else Path(name_or_path).expanduser()
    except RuntimeError:  # ~somebody, who is not known
        return None
    return path if path.is_file() else None


def verify(name: str) -> WeightsInfo:
    """Check that the local file of named weights is unchanged and fits its architecture.

    Raises:
        WeightsError: unknown name, no local file, another SHA-256 than recorded, or a wrong file.
    """
    check_name(name)
    path = weights_path(name)
    if not path.is_file():
        raise WeightsError(f'{name} is not here: there is no {path}; {remedy(name)}')
    _check_hash(path, name)
    load_checkpoint(path)
    return _info(name)


def download(name: str, urls: Sequence[str] | None = None) -> Path:
    """Return the file of named weights, downloaded if there is no local file.

    A local file is checked against its recorded SHA-256 and kept.

    Args:
        name: ``outdoor``, ``indoor``, ``indoor_new``, or ``compact`` (part of the package).
        urls: addresses to try in turn instead of the known mirrors.

    Raises:
        WeightsError: unknown name, no address answers with the whole right file, the cache cannot
            be written, or the file in the cache changed.
    """
    check_name(name)
    path = weights_path(name)
    if path.is_file():
        _check_hash(path, name)
        return path
    if name not in PUBLISHED:
        raise WeightsError(f'{name} is not here: there is no {path}; {remedy(name)}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch_any(name, urls or PUBLISHED[name].urls, path)
    except OSError as error:
        raise WeightsError(
            f'cannot write {path}: {error}; name another directory in LOFTR_VO_CACHE'
        ) from error
    return path


def _fetch_any(name: str, urls: Sequence[str], path: Path) -> None:
    failures = []
    for url in urls:
        with _temporary_file(path) as temporary:
            try:
                digest = fetch(url, temporary)
                _check_pin(digest, name)
                load_checkpoint(temporary)
            except WeightsError as error:
                failures.append(f'{url}: {error}')
                continue
            record_path(path).unlink(missing_ok=True)
            os.replace(temporary, path)
            write_record(path, digest)
            return
    raise WeightsError(
        f'could not download the {name} weights:\n  '
        + '\n  '.join(failures)
        + f'\nGet {path.name} on a machine with a network and put it at {path}, '
        'or use the weights called compact, which need no download.'
    )


@contextlib.contextmanager
def _temporary_file(beside: Path) -> Iterator[Path]:
    """Yield a new file named like ``beside``, removed afterwards unless it was moved."""
    handle, name = tempfile.mkstemp(dir=beside.parent, prefix=f'{beside.name}.', suffix='.part')
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _check_hash(path: Path, name: str) -> None:
    """Compare a file with the published one's hash or with its record.

    A file placed by hand is recorded at its first use.
    """
    digest = sha256_of(path)
    try:
        _check_pin(digest, name)
    except WeightsError as error:
        raise WeightsError(
            f'{path}: {error}; remove it and {remedy(name)}, or give weights of your own by '
            'their path, elsewhere'
        ) from error
    record = recorded_sha256(path)
    if record is None and name in PUBLISHED:
        # A cache that cannot be written only means that a later change goes unnoticed.
        with contextlib.suppress(OSError):
            write_record(path, digest)
    elif record not in (None, digest):
        raise WeightsError(
            f'{path} has changed: its SHA-256 is {digest}, recorded was {record}; '
            f'remove it and {remedy(name)}'
        )


def _check_pin(digest: str, name: str) -> None:
    pinned = PUBLISHED[name].sha256 if name in PUBLISHED else None
    if pinned not in (None, digest):
        raise WeightsError(
            f'this is not the published file: its SHA-256 is {digest}, and should be {pinned}'
        )


def _info(name: str) -> WeightsInfo:
    path = weights_path(name)
    published = PUBLISHED.get(name)
    source = 'part of the package' if published is None else ', '.join(published.urls)
    pinned = published.sha256 if published else None
    if not path.is_file():
        return WeightsInfo(name, source, None, None, None, pinned)
    digest, record = sha256_of(path), pinned or recorded_sha256(path)
    verified = None if record is None else record == digest
    return WeightsInfo(name, source, path, digest, verified, pinned)


def _checkpoint_file(name: str) -> Path:
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:  # ~somebody, who is not known
        raise WeightsError(f'there is no checkpoint at {quoted(name)}: {error}') from error
    if path.exists():
        return path
    if path.suffix or len(path.parts) > 1:
        raise WeightsError(f'there is no checkpoint at {path}')
    raise WeightsError(
        f'there are no weights called {name!r} and no such file; '
        f'there are {", ".join(ARCHITECTURES)}, or give the path of a checkpoint'
    )


def _random_model(name: str) -> LoFTR:
    check_name(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LoFTR(ARCHITECTURES[name]())
