# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""ROS parameter files, read as rcl reads them: which values are for which node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loftr_vo.files.errors import InputError
from loftr_vo.files.limited_yaml import read_yaml

_PARAMETERS = 'ros__parameters'


class ParameterFile:
    """The content of one parameter file.

    Args:
        path: of the file.

    Raises:
        InputError: it cannot be read, is not YAML, or has no mapping at the top.
    """

    def __init__(self, path: str | Path) -> None:
        document = read_yaml(path)
        if document is not None and not isinstance(document, dict):
            raise InputError(f'{path} is no parameter file: it has no names of nodes')
        self._sections = list(_sections('', document or {}))

    @property
    def nodes(self) -> list[str]:
        """Names of nodes, with wildcards, that the file has parameters for."""
        return [pattern for pattern, _ in self._sections]

    def values_for(self, node: str) -> dict[str, Any]:
        """Return the parameters of a node, by dotted names; a later section takes precedence.

        Args:
            node: full name, such as ``/front/loftr_vo``.
        """
        values: dict[str, Any] = {}
        for pattern, parameters in self._sections:
            if matches(pattern, node):
                values.update(_flattened('', parameters))
        return values

    def is_for(self, node: str) -> bool:
        """Whether a section of the file is for a node."""
        return any(matches(pattern, node) for pattern in self.nodes)


def matches(pattern: str, node: str) -> bool:
    """Whether a name with rcl's wildcards is that of a node.

    Args:
        pattern: ``*`` is one part of the name, ``**`` any number of parts.
        node: full name.
    """
    expression = ''
    for part in pattern.strip('/').split('/'):
        expression += (
            '(/[^/]+)*' if part == '**' else '/' + re.escape(part).replace(r'\*', '[^/]+')
        )
    return re.fullmatch(expression, node) is not None


def _sections(prefix: str, document: dict[Any, Any]) -> Iterator[tuple[str, dict[Any, Any]]]:
    for name, content in document.items():
        if not isinstance(content, dict):
            continue
        if name == _PARAMETERS:
            yield prefix or '/**', content
        else:
            yield from _sections(f'{prefix.rstrip("/")}/{str(name).strip("/")}', content)


def _flattened(prefix: str, parameters: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in parameters.items():
        if isinstance(value, dict):
            yield from _flattened(f'{prefix}{name}.', value)
        else:
            yield f'{prefix}{name}', value
