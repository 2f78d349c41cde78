# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The settings as ROS parameters, and as the parameter file that documents them."""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Iterable
from typing import Any

import yaml
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from loftr_vo.config import (
    Description,
    NodeSettings,
    Settings,
    describe,
    replace,
)

_INT64 = 2**63 - 1


def declare(node: Node, settings: Any) -> Any:
    """Declare every setting as a parameter and return the settings with the node's overrides.

    Raises:
        SettingError: an override is out of range or not among the choices.
        rclpy.exceptions.ParameterException: an override is of the wrong type.
    """
    values = {
        name: node.declare_parameter(name, _as_parameter(value), descriptor(value, about)).value
        for name, value, about in describe(settings)
    }
    return replace(settings, values)


def _as_parameter(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def changed(settings: Any, parameters: Iterable[Parameter]) -> Any:
    """Return ``settings`` with those parameters taken over that belong to it.

    Raises:
        SettingError: a value is out of range, not among the choices or of the wrong type.
    """
    names = {name for name, _, _ in describe(settings)}
    return replace(settings, {p.name: p.value for p in parameters if p.name in names})


def descriptor(value: Any, about: Description) -> ParameterDescriptor:
    """Return what ``ros2 param describe`` shows of a setting."""
    result = ParameterDescriptor(
        description=with_unit(about),
        additional_constraints=constraints(about),
        read_only=not about.runtime,
    )
    if isinstance(value, float):
        result.floating_point_range = [
            FloatingPointRange(
                from_value=-math.inf if about.low is None else float(about.low),
                to_value=math.inf if about.high is None else float(about.high),
            )
        ]
    elif isinstance(value, int) and not isinstance(value, bool):
        result.integer_range = [
            IntegerRange(
                from_value=-_INT64 if about.low is None else int(about.low),
                to_value=_INT64 if about.high is None else int(about.high),
                step=1,
            )
        ]
    return result


def with_unit(about: Description) -> str:
    """Return the description of a setting with its unit, if it has one."""
    return f'{about.text} [{about.unit}]' if about.unit else about.text


def constraints(about: Description) -> str:
    """Return in words which values a setting takes and when it may change."""
    when = 'at run time too' if about.runtime else 'at start only'
    return f'{values}; {when}' if (values := allowed(about)) else when


def allowed(about: Description) -> str:
    """Return in words which values a setting takes; empty where any will do."""
    if about.choices:
        return f'one of {", ".join(about.choices)}'
    if about.low is None and about.high is None:
        return ''
    low = '' if about.low is None else f'{about.low:g}'
    high = '' if about.high is None else f'{about.high:g}'
    return f'{low}..{high}'


def parameter_file() -> str:
    """Return the text of ``config/vo.yaml``: every parameter with its default, explained."""
    lines = [
        '# Every parameter of the node with its default; made from loftr_vo/config.py by',
        '# python -m loftr_vo.ros.parameters > config/vo.yaml',
        '/**:',
        '  ros__parameters:',
    ]
    group = ''
    for settings in (NodeSettings(), Settings()):
        for name, value, about in describe(settings):
            *parents, leaf = name.split('.')
            if parents and parents[0] != group:
                group = parents[0]
                lines.append(f'    {group}:')
            indent = '  ' * (2 + len(parents))
            lines += textwrap.wrap(
                f'{with_unit(about)} ({constraints(about)})',
                width=99,
                initial_indent=f'{indent}# ',
                subsequent_indent=f'{indent}# ',
            )
            lines.append(f'{indent}{leaf}: {_scalar(value)}')
    return '\n'.join(lines) + '\n'


def markdown_table() -> str:
    """Return the table of docs/interface.md: every parameter with its default, explained."""
    lines = [
        '| parameter | default | values | run time | meaning |',
        '|---|---|---|---|---|',
    ]
    for settings in (NodeSettings(), Settings()):
        for name, value, about in describe(settings):
            runtime = 'yes' if about.runtime else ''
            cells = (f'`{name}`', f'`{_scalar(value)}`', allowed(about), runtime, with_unit(about))
            lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _scalar(value: Any) -> str:
    dumped = yaml.safe_dump(_as_parameter(value), width=math.inf, default_flow_style=True)
    return dumped.splitlines()[0]


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog='python -m loftr_vo.ros.parameters',
        description='Print every parameter with its default as a ROS parameter file.',
    )
    parser.add_argument(
        '--markdown', action='store_true', help='as the table of the documents instead'
    )
    print(markdown_table() if parser.parse_args().markdown else parameter_file(), end='')


if __name__ == '__main__':
    _main()
