# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The arguments of the launch files, read from their source: launch need not be installed.

Run as a program, it prints them as the tables of docs/robot.md.
"""

import ast

from paths import ROOT

FILES = ('vo.launch.py', 'replay.launch.py', 'demo.launch.py')
# The dictionaries that arguments are declared from.
TABLES = ('TOPICS', 'ARGUMENTS', 'PARAMETERS', 'CAMERA')


def arguments_of(file):
    """Return (name, default, description) of each argument that a launch file declares."""
    tree = ast.parse((ROOT / 'launch' / file).read_text(encoding='utf-8'))
    found = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id in TABLES:
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                found.append((key.value, *_about(node.targets[0].id, value.elts)))
    return found


def _about(table, values):
    """Return default and description from the parts of an entry."""
    description = values[-1].value
    if table == 'PARAMETERS':
        return '', f'{description} Sets `{values[0].value}`.'
    return _constant(values[0]), description


def _constant(node):
    if isinstance(node, ast.JoinedStr):
        return ''.join(part.value for part in node.values if isinstance(part, ast.Constant)).strip(
            '/'
        )
    return node.value


def markdown(file):
    """Return the table of a launch file."""
    rows = ['| argument | default | what it is |', '|---|---|---|']
    for name, default, description in arguments_of(file):
        shown = 'needed' if default is None else f'`{default}`' if default else ''
        rows.append(f'| `{name}` | {shown} | {description} |')
    return '\n'.join(rows) + '\n'


if __name__ == '__main__':
    for each in FILES:
        print(f'<!-- {each}: begin -->\n{markdown(each)}<!-- {each}: end -->\n')
