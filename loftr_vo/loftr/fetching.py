# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Downloads a file by HTTP or HTTPS, with bounded size and time."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from loftr_vo.files.output_files import sync_to_disk
from loftr_vo.loftr.checkpoint import LARGEST, WeightsError

_TIMEOUT_S = 30.0  # without a byte
_LONGEST_S = 3600.0  # in all
_CHUNK = 1 << 20
_NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    ConnectionError,
    TimeoutError,
    # An invalid address, in a redirect for example.
    ValueError,
)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none from an encrypted address to one that is not."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request to go on with; see the base class."""
        if req.type == 'https' and not newurl.lower().startswith('https:'):
            raise urllib.error.URLError(f'it redirects to {newurl}, which is not encrypted')
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(url: str, path: Path) -> str:
    """Download ``url`` to ``path`` and return its SHA-256.

    Raises:
        WeightsError: there is no answer, or it is incomplete or too large.
        OSError: the file cannot be written.
    """
    try:
        with _opener().open(url, timeout=_TIMEOUT_S) as response, path.open('wb') as file:
            total = _length(response.headers.get('Content-Length'))
            digest, count = _copy(response, file, total, Path(url).name)
            file.flush()
            sync_to_disk(file.fileno())
    except _NETWORK_ERRORS as error:
        raise WeightsError(f'no answer ({getattr(error, "reason", error)})') from error
    if total is not None and count != total:
        raise WeightsError(f'the transfer broke off after {count} of {total} bytes')
    return digest


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for HTTP and HTTPS only; urllib's default opens FTP and local files too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _SafeRedirects,
    ):
        opener.add_handler(handler())
    return opener


def _length(text: str | None) -> int | None:
    """Return the length that a server announces, or None where it announces none."""
    if text is None:
        return None
    if not (text.strip().isascii() and text.strip().isdecimal()):
        raise WeightsError(f'it announces a length of {text[:40]!r}')
    if len(text) > 15 or int(text) > LARGEST:
        raise WeightsError(f'it announces {text[:40]} bytes, more than any weights ({LARGEST})')
    return int(text)


def _copy(source: Any, target: BinaryIO, total: int | None, title: str) -> tuple[str, int]:
    digest, count = hashlib.sha256(), 0
    deadline = time.monotonic() + _LONGEST_S
    with tqdm(total=total, unit='B', unit_scale=True, desc=title, disable=None) as bar:
        for chunk in iter(lambda: source.read(_CHUNK), b''):
            target.write(chunk)
            digest.update(chunk)
            count += len(chunk)
            bar.update(len(chunk))
            if count > LARGEST:
                raise WeightsError(f'it sends more than {LARGEST} bytes, as no weights have')
            if time.monotonic() > deadline:
                raise WeightsError(f'it was not done after {_LONGEST_S:.0f} s')
    return digest.hexdigest(), count
