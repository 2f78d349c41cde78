# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo weights``: which weights there are, and getting them."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def register(subparsers: Any) -> None:
    """Add ``weights`` and its actions to the parser."""
    parser = subparsers.add_parser('weights', help='list, download and verify weights')
    actions = parser.add_subparsers(title='actions', metavar='ACTION', required=True)
    listing = actions.add_parser('list', help='which weights there are, and where')
    listing.set_defaults(command=list_command)
    download = actions.add_parser('download', help='download published weights')
    download.add_argument('name', metavar='NAME')
    download.set_defaults(command=download_command)
    verify = actions.add_parser('verify', help='check that local files are unchanged and whole')
    verify.add_argument('name', metavar='NAME', nargs='?', help='all that are here if left out')
    verify.set_defaults(command=verify_command)


def list_command(arguments: argparse.Namespace) -> int:
    """Print a line for each weights that have a name."""
    from loftr_vo.loftr.weights import available

    for info in available():
        print(f'{info.name:12s} {info.path or "not downloaded"}')
        print(f'{"":12s} from {info.source}')
        if info.pinned is not None:
            print(f'{"":12s} SHA-256 {info.pinned}, and no other file')
        elif info.source != 'part of the package':
            print(f'{"":12s} its SHA-256 is not known: the first copy that comes is trusted')
    return 0


def download_command(arguments: argparse.Namespace) -> int:
    """Download weights unless they are here, and print where they are."""
    from loftr_vo.loftr.weights import available, download

    path = download(arguments.name)
    info = next(each for each in available() if each.name == arguments.name)
    if info.pinned is None and arguments.name != 'compact':
        print(
            'loftr_vo: warning: the SHA-256 of the published file is not known, so that this copy '
            f'is trusted as it came: {info.sha256}',
            file=sys.stderr,
        )
    print(path)
    return 0


def verify_command(arguments: argparse.Namespace) -> int:
    """Check one local file or all that are here."""
    from loftr_vo.loftr.weights import available, verify

    here = [info.name for info in available() if info.path is not None]
    for name in [arguments.name] if arguments.name else here:
        info = verify(name)
        print(f'{info.name:12s} good, SHA-256 {info.sha256}')
    return 0
