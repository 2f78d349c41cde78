# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""From the name of weights to a network: find or download the file, check it, load it.

Files that are downloaded are kept in the user's cache directory, where PyTorch keeps its own
(``LOFTR_VO_CACHE`` names another), each beside its SHA-256 as it was when the file came; a file
that changed since is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor
from tqdm import tqdm

from loftr_vo.files.errors import shortened
from loftr_vo.files.regular_file import open_regular
from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.model import LoFTR

_TIMEOUT_S = 30.0
_CHUNK = 1 << 20
_NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    ConnectionError,
    TimeoutError,
)


class WeightsError(RuntimeError):
    """Weights cannot be had or do not fit; says why and what to do."""


@dataclass(frozen=True)
class WeightsInfo:
    """Where weights come from and whether they are here.

    Attributes:
        name: what ``load_weights`` takes.
        source: the package, or the addresses they are downloaded from.
        path: the local file, or None if it is not here.
        sha256: of the local file, or None.
        verified: whether that is the recorded one; None if there is no file or no record.
    """

    name: str
    source: str
    path: Path | None
    sha256: str | None
    verified: bool | None


@dataclass(frozen=True)
class _Published:
    file: str
    config: Callable[[], LoFTRConfig]

    @property
    def urls(self) -> tuple[str, ...]:
        return (
            f'https://huggingface.co/kornia/loftr/resolve/main/{self.file}',
            f'https://cmp.felk.cvut.cz/~mishkdmy/models/{self.file}',
        )


_PUBLISHED = {
    'outdoor': _Published('loftr_outdoor.ckpt', LoFTRConfig.outdoor),
    'indoor': _Published('loftr_indoor.ckpt', LoFTRConfig.indoor),
    'indoor_new': _Published('loftr_indoor_ds_new.ckpt', LoFTRConfig.indoor_new),
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
        WeightsError: there are no such weights, or they cannot be had or do not fit.
    """
    name = str(name_or_path)
    if name.startswith('random:'):
        model = _random_model(name.removeprefix('random:'))
    else:
        model = _load_file(download(name) if name in _ARCHITECTURES else _checkpoint_file(name))
    return model.to(device).eval()


def available() -> list[WeightsInfo]:
    """Return what is known of all weights that have a name; downloads nothing."""
    return [_info(name) for name in _ARCHITECTURES]


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
    _load_file(path)
    return _info(name)


def download(name: str, urls: Sequence[str] | None = None) -> Path:
    """Return the file of named weights, downloaded if it is not here yet.

    A file that is already here is checked against its recorded SHA-256 and kept.

    Args:
        name: ``outdoor``, ``indoor``, ``indoor_new``, or ``compact``, which is always here.
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
                digest = _fetch(url, temporary)
                _load_file(temporary)
            except WeightsError as error:
                failures.append(f'{url}: {error}')
                continue
            _record_path(path).unlink(missing_ok=True)
            os.replace(temporary, path)
            _record_path(path).write_text(f'{digest}  {path.name}\n', encoding='utf-8')
            return
    raise WeightsError(
        f'could not download the {name} weights:\n  '
        + '\n  '.join(failures)
        + f'\nGet {path.name} on a machine with a network and put it at {path}, '
        'or use the weights called compact, which need no download.'
    )


def _fetch(url: str, path: Path) -> str:
    """Write what ``url`` holds to ``path`` and return its SHA-256."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response, path.open('wb') as file:
            length = response.headers.get('Content-Length')
            total = None if length is None else int(length)
            digest, count = _copy(response, file, total, Path(url).name)
    except _NETWORK_ERRORS as error:
        raise WeightsError(f'no answer ({getattr(error, "reason", error)})') from error
    if total is not None and count != total:
        raise WeightsError(f'the transfer broke off after {count} of {total} bytes')
    return digest


def _copy(source: Any, target: BinaryIO, total: int | None, title: str) -> tuple[str, int]:
    digest, count = hashlib.sha256(), 0
    with tqdm(total=total, unit='B', unit_scale=True, desc=title, disable=None) as bar:
        for chunk in iter(lambda: source.read(_CHUNK), b''):
            target.write(chunk)
            digest.update(chunk)
            count += len(chunk)
            bar.update(len(chunk))
    return digest.hexdigest(), count


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
    """Compare a file with its record; a file placed by hand is recorded when first seen."""
    digest = _sha256(path)
    record = _recorded(path)
    if record is None and name in _PUBLISHED:
        # A cache that cannot be written only means that a later change goes unnoticed.
        with contextlib.suppress(OSError):
            _record_path(path).write_text(f'{digest}  {path.name}\n', encoding='utf-8')
    elif record not in (None, digest):
        raise WeightsError(
            f'{path} has changed: its SHA-256 is {digest}, recorded was {record}; '
            f'remove it and {_remedy(name)}'
        )


def _record_path(path: Path) -> Path:
    return path.with_name(f'{path.name}.sha256')


def _recorded(path: Path) -> str | None:
    record = _record_path(path)
    if not record.is_file():
        return None
    words = record.read_text(encoding='utf-8').split()
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
    if not path.is_file():
        return WeightsInfo(name, source, None, None, None)
    digest, record = _sha256(path), _recorded(path)
    return WeightsInfo(name, source, path, digest, None if record is None else record == digest)


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
        raise WeightsError(f'there is no checkpoint at {shortened(name)}: {error}') from error
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


def _load_file(path: Path) -> LoFTR:
    checkpoint = _read(path)
    return _build(_state_of(checkpoint, path), _config_of(checkpoint, path), path)


def _config_of(checkpoint: Mapping[str, Any], path: Path) -> LoFTRConfig:
    """Return the config that a checkpoint carries, or that of the published one it must be."""
    if 'config' in checkpoint:
        try:
            return LoFTRConfig.from_dict(checkpoint['config'])
        except (TypeError, ValueError) as error:
            raise WeightsError(f'the config in {path} is not of this version: {error}') from error
    corrected = any(part in path.name for part in ('indoor_ds_new', 'indoor_new'))
    return LoFTRConfig.indoor_new() if corrected else LoFTRConfig.outdoor()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with open_regular(path) as file:
            checkpoint = torch.load(file, map_location='cpu', weights_only=True)
    except OSError as error:
        raise WeightsError(f'cannot read {path}: {error.strerror or error}') from error
    # The unpickler takes any file for its commands, and raises whatever these lead to.
    except Exception as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f'{path} is not a checkpoint of tensors ({first_line}); '
            "save it with torch.save({'state_dict': model.state_dict()}, path)"
        ) from error
    if not isinstance(checkpoint, Mapping):
        raise WeightsError(f'{path} holds a {type(checkpoint).__name__}, not a state dict')
    return checkpoint


def _state_of(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f'{path} holds no state dict: a mapping of names to tensors')
    return {key.removeprefix('matcher.'): value for key, value in state.items()}


def _build(state: Mapping[str, Tensor], config: LoFTRConfig, path: Path) -> LoFTR:
    model = LoFTR(config)
    expected = model.state_dict()
    faults = {
        'missing': expected.keys() - state.keys(),
        'unexpected': state.keys() - expected.keys(),
        'of another shape': {
            key
            for key in expected.keys() & state.keys()
            if expected[key].shape != state[key].shape
        },
    }
    if any(faults.values()):
        listed = '; '.join(f'{kind}: {_shortened(keys)}' for kind, keys in faults.items() if keys)
        raise WeightsError(
            f'{path} does not fit the architecture: {listed}. '
            'It takes LoFTR with dual softmax (ds), as published, or trained by loftr_vo.'
        )
    model.load_state_dict(state, strict=True)
    return model


def _shortened(keys: Iterable[str], shown: int = 3) -> str:
    names = sorted(keys)
    more = f' and {len(names) - shown} more' if len(names) > shown else ''
    return ', '.join(names[:shown]) + more
