# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files are told, from all sources: arguments, parameter files, the parent's.

Loads neither rclpy nor launch, nor anything else that is not needed to start the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loftr_vo.config import NodeSettings, Settings, describe
from loftr_vo.files.errors import InputError
from loftr_vo.files.numbers import number
from loftr_vo.ros.parameter_files import ParameterFile

_SETTINGS = [entry for each in (NodeSettings(), Settings()) for entry in describe(each)]
_DEFAULTS: dict[str, Any] = {
    'use_sim_time': False,
    **{name: value for name, value, _ in _SETTINGS},
}
_CHOICES = {name: about.choices for name, _, about in _SETTINGS if about.choices}


class LaunchValues:
    """Arguments and parameters of the node that is to be started.

    Args:
        configurations: ``LaunchContext.launch_configurations``.
    """

    def __init__(self, configurations: Mapping[str, Any]) -> None:
        self._configurations = configurations

    def argument(self, name: str) -> str:
        """Return an argument of the launch file; empty where it was not given."""
        return str(self._configurations.get(name, ''))

    def flag(self, name: str) -> bool:
        """Return an argument that is true or false, in upper or lower case."""
        return self.argument(name).lower() == 'true'

    def number(self, name: str, low: float, high: float) -> float | None:
        """Return an argument that is a number; None where it was not given.

        Raises:
            ValueError: it is no number, or outside the range.
        """
        text = self.argument(name)
        if not text:
            return None
        try:
            value = number(text)
        except ValueError:
            raise ValueError(f'{name}:={text} is not a number') from None
        if not low <= value <= high:
            raise ValueError(f'{name}:={text} is not within {low:g}..{high:g}')
        return value

    @property
    def namespace(self) -> str:
        """The node's namespace, absolute; ``/`` for none.

        A relative one is below that which a parent has pushed. Where the parent's own argument
        ``namespace`` was inherited and pushed as well, it counts once.
        """
        pushed = '/' + str(self._configurations.get('ros_namespace') or '').strip('/')
        wanted = self.argument('namespace')
        inner = wanted.strip('/')
        if wanted.startswith('/'):
            return '/' + inner
        if not inner or f'{pushed}/'.endswith(f'/{inner}/'):
            return pushed
        return f'{pushed.rstrip("/")}/{inner}'

    @property
    def name(self) -> str:
        """The node's name."""
        return self.argument('name') or 'loftr_vo'

    @property
    def node(self) -> str:
        """The node's full name."""
        return f'{self.namespace.rstrip("/")}/{self.name}'

    @property
    def params_file(self) -> str:
        """Path of the parameter file with ``~`` expanded; empty where none is given.

        Raises:
            ValueError: there is no such file.
        """
        text = self.argument('params_file')
        path = Path(text).expanduser()
        if text and not path.is_file():
            raise ValueError(f'there is no parameter file {text}')
        return str(path) if text else ''

    def setting(self, argument: str, parameter: str) -> Any:
        """Return the value that a parameter of the node will have.

        An argument wins over the parameter file, that over what a parent has set for all nodes
        (``SetParameter``), and that over the default.

        Args:
            argument: that sets the parameter; a boolean is returned as such, all else as text.
            parameter: its dotted name.

        Raises:
            ValueError: a parameter file cannot be read, or the value is none of the choices.
        """
        default = _DEFAULTS[parameter]
        if text := self.argument(argument):
            value = text.lower() == 'true' if isinstance(default, bool) else text
        else:
            found = (each[parameter] for each in self._sources() if parameter in each)
            value = next(found, default)
        choices = _CHOICES.get(parameter)
        if choices and value not in choices:
            raise ValueError(f'{argument} must be one of {", ".join(choices)}, got {value!r}')
        return value

    def _sources(self) -> list[dict[str, Any]]:
        """Return the parameters of all sources but the arguments, the strongest first."""
        sources = []
        for each in self._configurations.get('global_params') or []:
            if isinstance(each, tuple):
                sources.append({str(each[0]): each[1]})
            else:
                sources.append(ParameterFile(str(each)).values_for(self.node))
        if self.params_file:
            sources.append(self._own_file())
        return sources[::-1]

    def _own_file(self) -> dict[str, Any]:
        try:
            return ParameterFile(self.params_file).values_for(self.node)
        except InputError as error:
            raise ValueError(f'params_file: {error}') from error
