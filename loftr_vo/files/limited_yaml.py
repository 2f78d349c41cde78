# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""YAML that others wrote, read with limits: size, depth, and what aliases stand for.

PyYAML follows brackets by recursion, and an alias of an alias of an alias is cheap to keep and
grows without end once it is turned into an array. OpenCV's header and matrices are understood.

PyYAML reads numbers as YAML 1.1 has them: 1_0 is 10, 010 is 8 and 1:30 is 90. Whoever writes a
calibration means none of these, so here they are text, as most of them are in YAML 1.2.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from loftr_vo.files.errors import InputError, naming
from loftr_vo.files.regular_file import MOST_SETTINGS_BYTES, read_text
from loftr_vo.files.text import quoted

# A calibration is three or four levels deep, and has some hundred values.
MOST_LEVELS = 32
MOST_VALUES = 100_000
# OpenCV heads its files so, with a colon where YAML 1.0 to 1.2 have a space.
_OPENCV_HEADER = '%YAML:1.0'

# What only YAML 1.1 takes for a number: digits in groups, octal numbers, and those to base 60.
_OLD_NUMBER = re.compile(r'[-+]?0\d+|.*[_:].*', re.ASCII)


class _Loader(yaml.SafeLoader):
    """Counts levels and values, aliases as often as they are used.

    OpenCV's tagged matrices are taken for the mappings they are: rows, cols, dt, data.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._level = 0
        self._count = 0
        self._values_of: dict[str, int] = {}

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        anchor = getattr(event, 'anchor', None)
        before = self._count
        self._count += 1
        if isinstance(event, yaml.AliasEvent):
            # Known only once it is complete: what contains itself has no end.
            self._count += self._values_of.get(anchor or '', MOST_VALUES)
        self._level += 1
        if self._level > MOST_LEVELS:
            raise yaml.MarkedYAMLError(
                problem=f'more than {MOST_LEVELS} levels', problem_mark=event.start_mark
            )
        if self._count > MOST_VALUES:
            raise yaml.MarkedYAMLError(
                problem=f'more than {MOST_VALUES} values', problem_mark=event.start_mark
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        self._level -= 1
        if anchor is not None and not isinstance(event, yaml.AliasEvent):
            self._values_of[anchor] = self._count - before
        return node


def _matrix(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    return node.value if _OLD_NUMBER.fullmatch(node.value) else loader.construct_yaml_int(node)


def _number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    return node.value if _OLD_NUMBER.fullmatch(node.value) else loader.construct_yaml_float(node)


_Loader.add_constructor('tag:yaml.org,2002:opencv-matrix', _matrix)
_Loader.add_constructor('tag:yaml.org,2002:int', _whole_number)
_Loader.add_constructor('tag:yaml.org,2002:float', _number)


def parse_yaml(text: str, where: str | Path, kind: type[InputError] = InputError) -> Any:
    """Return the value of a YAML text, as ``yaml.safe_load`` does.

    Args:
        text: of one document.
        where: it comes from, for errors.
        kind: the class of errors.

    Raises:
        InputError: it is no YAML, or beyond the limits; names the line where that is known.
    """
    try:
        # Values such as 2001-99-99 raise a plain ValueError.
        with naming(where, kind):
            return yaml.load(text.removeprefix(_OPENCV_HEADER), _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = '' if mark is None else f':{mark.line + 1}'
        raise kind(f'{where}{line} is not YAML that can be read: {error.problem}') from error
    except yaml.YAMLError as error:
        raise kind(f'{where} is not YAML: {quoted(error)}') from error


def read_yaml(
    path: str | Path, kind: type[InputError] = InputError, most: int = MOST_SETTINGS_BYTES
) -> Any:
    """Return the value of a YAML file; see ``parse_yaml`` and ``read_text``."""
    return parse_yaml(read_text(path, kind, most), path, kind)
