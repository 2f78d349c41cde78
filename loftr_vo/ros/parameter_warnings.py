# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters that were given at start and have no effect: misspelt, or for another node."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterator, Sequence

from loftr_vo.files.errors import InputError
from loftr_vo.files.text import quoted
from loftr_vo.ros.parameter_files import ParameterFile

# Of parameters that rclpy declares later, with the subscription.
_LATER = 'qos_overrides.'


def undeclared(given: Collection[str], declared: Collection[str]) -> Iterator[str]:
    """Yield a warning for each parameter that was given and that the node does not declare.

    Args:
        given: names of the parameters set at start.
        declared: names that the node has.
    """
    for name in sorted(given):
        if name in declared or name.startswith(_LATER):
            continue
        close = difflib.get_close_matches(name, declared, 1)
        hint = f'; is {close[0]} meant?' if close else ''
        yield f'there is no parameter {quoted(name)}: it was given and has no effect{hint}'


def files_for_others(words: Sequence[str], node: str) -> Iterator[str]:
    """Yield a warning for each parameter file of a command line that has nothing for the node.

    Args:
        words: the command line.
        node: full name of the node.
    """
    for option, name in itertools.pairwise(words):
        if option != '--params-file':
            continue
        try:
            file = ParameterFile(name)
        except InputError:
            continue  # rcl has read it, and is the judge of it
        if file.nodes and not file.is_for(node):
            others = ', '.join(file.nodes[:3])
            yield f'the parameter file {name} has nothing for {node}: it is for {others}'
