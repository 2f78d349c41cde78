# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The versions of the libraries that results depend on."""

from __future__ import annotations

import importlib.metadata
import platform
import sys

import cv2


def versions() -> list[tuple[str, str]]:
    """Return a row for a table: the versions of the libraries that a run depends on."""
    names = ['loftr_vo', 'torch', 'numpy', 'opencv', 'evo']
    found = [f'Python {platform.python_version()}']
    for name in names:
        if version := _version(name):
            found.append(f'{name} {version}')
    return [('versions', ', '.join(found))]


def _version(name: str) -> str:
    if name == 'opencv':
        # It is distributed under several names.
        return str(cv2.__version__)
    if name == 'torch' and 'torch' not in sys.modules:
        return ''  # a baseline was run, which does not use it
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ''
