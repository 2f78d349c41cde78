# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The order of the packages: each knows only those below it, and no two modules each other."""

import ast
import importlib
import sys
from graphlib import CycleError, TopologicalSorter

import pytest
from paths import ROOT

import loftr_vo

# Highest first; docs/design.md says what lives where.
LAYERS = [
    'experiments',
    'loftr_vo.cli',
    'loftr_vo.ros',
    'training',
    'loftr_vo.evaluation',
    'loftr_vo.synthetic',
    'loftr_vo.drawing',
    'loftr_vo.datasets',
    'loftr_vo.odometry',
    'loftr_vo.matching',
    'loftr_vo.loftr',
    'loftr_vo.imaging',
    'loftr_vo.geometry',
    'loftr_vo.config',
    'loftr_vo.files',
]
# For the sake of a short public API, `LoFTR.match` and `Camera.from_yaml` import what they call
# when they are called.
EXCEPTIONS = {
    ('loftr_vo.loftr.model', 'loftr_vo.matching.array_matching'),
    ('loftr_vo.imaging.camera', 'loftr_vo.imaging.calibration_files'),
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {
    module_name(path): path
    for top in ('loftr_vo', 'training', 'experiments')
    for path in (ROOT / top).rglob('*.py')
}


def is_type_checking(node):
    return isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test)


def nodes(tree):
    """Nodes of a module, without what only a type checker sees."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [each for each in ast.iter_child_nodes(node) if not is_type_checking(each)]


def imported(node):
    """Names of modules that a node imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        names = [f'{node.module}.{alias.name}' for alias in node.names]
        return [name if name in MODULES else node.module for name in names]
    return []


def imports_of(name):
    tree = ast.parse(MODULES[name].read_text())
    found = {each for node in nodes(tree) for each in imported(node)}
    return {each for each in found if each in MODULES and (name, each) not in EXCEPTIONS}


IMPORTS = {name: imports_of(name) for name in MODULES}


def layer_of(name):
    return next((i for i, room in enumerate(LAYERS) if f'{name}.'.startswith(f'{room}.')), None)


def test_every_package_has_its_layer():
    homeless = [name for name in MODULES if layer_of(name) is None]
    # The public names, and aliases of modules that moved, for one release.
    assert sorted(homeless) == ['loftr_vo', 'loftr_vo.camera', 'loftr_vo.frame']


@pytest.mark.parametrize(('module', 'name'), [('camera', 'Camera'), ('frame', 'Frame')])
def test_moved_modules_are_found_at_their_old_place_for_one_release(module, name):
    sys.modules.pop(f'loftr_vo.{module}', None)
    with pytest.warns(DeprecationWarning, match=f'from loftr_vo import {name}'):
        old = importlib.import_module(f'loftr_vo.{module}')
    assert getattr(old, name) is getattr(loftr_vo, name)


def test_every_public_name_is_there():
    assert all(getattr(loftr_vo, name) is not None for name in loftr_vo.__all__)
    assert set(loftr_vo.__all__) <= set(dir(loftr_vo))


@pytest.mark.parametrize('layer', LAYERS)
def test_a_layer_knows_only_those_below_it(layer):
    upwards = [
        f'{name} imports {other}'
        for name, others in IMPORTS.items()
        for other in others
        if layer_of(name) == LAYERS.index(layer) > (layer_of(other) or 0) and other != 'loftr_vo'
    ]
    assert upwards == []


def test_no_modules_import_each_other():
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(' -> '.join(error.args[1]))
