# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Weights by name: finds or downloads the file, checks it, and loads it.

Downloads are kept in PyTorch's cache directory (``LOFTR_VO_CACHE`` names another), each beside its
SHA-256 at the time of the download. A file that changed since is rejected.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch

from loftr_vo.files.output_files import write_text
from loftr_vo.files.text import quoted
from loftr_vo.loftr.checkpoint import WeightsError, load_checkpoint
from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.fetching import fetch
from loftr_vo.loftr.model import LoFTR

_CHUNK = 1 << 20


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


@dataclass(frozen=True)
class _Published:
    file: str
    config: Callable[[], LoFTRConfig]
    # Of the authors' files as kornia distributes them, by the records of several public projects,
    # which agree. None was found for `indoor`.
    sha256: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        return (
            f'https://huggingface.co/kornia/loftr/resolve/main/{self.file}',
            f'https://cmp.felk.cvut.cz/~mishkdmy/models/{self.file}',
        )


_PUBLISHED = {
    'outdoor': _Published(
        'loftr_outdoor.ckpt',
        LoFTRConfig.outdoor,
        '21f5bec5968178e8bc8b7633441836fe5de4f47d861dd2cd7dc38e271b0479ec',
    ),
    'indoor': _Published('loftr_indoor.ckpt', LoFTRConfig.indoor),
    'indoor_new': _Published(
        'loftr_indoor_ds_new.ckpt',
        LoFTRConfig.indoor_new,
        'be9ff88b323ec27889114719f668ae41aff7034b56a4c4acbd46b8b180b87ed3',
    ),
}
_ARCHITECTURES: dict[str, Callable[[], LoFTRConfig]] = {
    'compact': LoFTRConfig.compact,
    **{name: published.config for name, published in _PUBLISHED.items()},
}


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
            download(name) if name in _ARCHITECTURES else _checkpoint_file(name)
        )
    return model.to(device).eval()


def available() -> list[WeightsInfo]:
    """Return the information on all named weights; downloads nothing."""
    return [_info(name) for name in _ARCHITECTURES]


def local_file(name_or_path: str) -> Path | None:
    """Return the file of weights that are here, or None; downloads nothing."""
    try:
        named = name_or_path in _ARCHITECTURES
        path = _path(name_or_path) if named else Path(name_or_path).expanduser()
    except RuntimeError:  # ~somebody, who is not known
        return None
    return path if path.is_file() else None


def verify(name: str) -> WeightsInfo:
    """Check that the local file of named weights is unchanged and fits its architecture.

    Raises:
        WeightsError: unknown name, no local file, another SHA-256 than recorded, or a wrong file.
    """
    _check_name(name)
    path = _path(name)
    if not path.is_file():
        raise WeightsError(f'{name} is not here: there is no {path}; {_remedy(name)}')
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
    _check_name(name)
    path = _path(name)
    if path.is_file():
        _check_hash(path, name)
        return path
    if name not in _PUBLISHED:
        raise WeightsError(f'{name} is not here: there is no {path}; {_remedy(name)}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch_any(name, urls or _PUBLISHED[name].urls, path)
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
            _record_path(path).unlink(missing_ok=True)
            os.replace(temporary, path)
            _record(path, digest)
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
    digest = _sha256(path)
    try:
        _check_pin(digest, name)
    except WeightsError as error:
        raise WeightsError(
            f'{path}: {error}; remove it and {_remedy(name)}, or give weights of your own by '
            'their path, elsewhere'
        ) from error
    record = _recorded(path)
    if record is None and name in _PUBLISHED:
        # A cache that cannot be written only means that a later change goes unnoticed.
        with contextlib.suppress(OSError):
            _record(path, digest)
    elif record not in (None, digest):
        raise WeightsError(
            f'{path} has changed: its SHA-256 is {digest}, recorded was {record}; '
            f'remove it and {_remedy(name)}'
        )


def _check_pin(digest: str, name: str) -> None:
    pinned = _PUBLISHED[name].sha256 if name in _PUBLISHED else None
    if pinned not in (None, digest):
        raise WeightsError(
            f'this is not the published file: its SHA-256 is {digest}, and should be {pinned}'
        )


def _record_path(path: Path) -> Path:
    return path.with_name(f'{path.name}.sha256')


def _record(path: Path, digest: str) -> None:
    record = _record_path(path)
    # A link may point outside the cache, where nothing may be written.
    if record.is_symlink():
        record.unlink()
    write_text(record, f'{digest}  {path.name}\n')


def _recorded(path: Path) -> str | None:
    record = _record_path(path)
    if record.is_symlink():
        raise WeightsError(f'{record} is a symbolic link, which is not followed; remove it')
    if not record.is_file():
        return None
    with record.open('rb') as file:
        words = file.read(1024).decode('ascii', errors='replace').split()
    return words[0] if words else None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        for chunk in iter(lambda: file.read(_CHUNK), b''):
            digest.update(chunk)
    return digest.hexdigest()


def _info(name: str) -> WeightsInfo:
    path = _path(name)
    published = _PUBLISHED.get(name)
    source = 'part of the package' if published is None else ', '.join(published.urls)
    pinned = published.sha256 if published else None
    if not path.is_file():
        return WeightsInfo(name, source, None, None, None, pinned)
    digest, record = _sha256(path), pinned or _recorded(path)
    verified = None if record is None else record == digest
    return WeightsInfo(name, source, path, digest, verified, pinned)


def _path(name: str) -> Path:
    if name in _PUBLISHED:
        cache = os.environ.get('LOFTR_VO_CACHE') or Path(torch.hub.get_dir(), 'loftr_vo')
        return Path(cache).expanduser() / _PUBLISHED[name].file
    return Path(str(resources.files('loftr_vo'))) / 'weights' / f'{name}.pt'


def _check_name(name: str) -> None:
    if name not in _ARCHITECTURES:
        raise WeightsError(
            f'there are no weights called {name!r}; there are {", ".join(_ARCHITECTURES)}'
        )


def _remedy(name: str) -> str:
    if name in _PUBLISHED:
        return f'get it with: loftr_vo weights download {name}'
    return 'install loftr_vo anew, whose part it is'


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
        f'there are {", ".join(_ARCHITECTURES)}, or give the path of a checkpoint'
    )


def _random_model(name: str) -> LoFTR:
    _check_name(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LoFTR(_ARCHITECTURES[name]())
