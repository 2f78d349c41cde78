# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The wheel has the package, the weights and no more, and works where only it is installed."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser

import pytest
from paths import ROOT

import loftr_vo

pytestmark = pytest.mark.slow

LARGEST = 6 * 2**20  # bytes
EXTRAS = {'cluster', 'evaluation', 'rerun', 'ros', 'test', 'training'}


def run(*command, **options):
    """Run a command; return what it printed, or fail with it."""
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Return the wheel, built from a copy: building leaves files behind."""
    copy = tmp_path_factory.mktemp('source')
    shutil.copytree(
        ROOT,
        copy,
        ignore=shutil.ignore_patterns(
            '.*', '__pycache__', 'build', 'dist', 'docs', 'results', 'test', '*.egg-info'
        ),
        dirs_exist_ok=True,
    )
    options = ['--quiet', '--no-deps', '--no-build-isolation', '--no-index']
    run(sys.executable, '-m', 'pip', 'wheel', *options, '--wheel-dir', copy / 'dist', copy)
    (built,) = (copy / 'dist').glob('*.whl')
    return built


@pytest.fixture(scope='module')
def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope='module')
def environment(wheel, tmp_path_factory):
    """Return the variables of an environment in which the wheel is installed, and its folder.

    Its dependencies are those of the running interpreter.
    """
    folder = tmp_path_factory.mktemp('installed')
    options = ['--quiet', '--no-deps', '--no-index', '--target', folder]
    run(sys.executable, '-m', 'pip', 'install', *options, wheel)
    return {**os.environ, 'PYTHONPATH': str(folder), 'OMP_NUM_THREADS': '1'}, folder


def test_it_is_small(wheel):
    assert wheel.stat().st_size <= LARGEST


def test_it_has_the_package_and_the_weights_and_no_training(contents):
    folders = {name.split('/')[0] for name in contents}
    version = f'loftr_vo-{loftr_vo.__version__}'
    assert folders == {'loftr_vo', f'{version}.data', f'{version}.dist-info'}
    assert {'loftr_vo/py.typed', 'loftr_vo/weights/compact.pt'} <= set(contents)
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'loftr_vo').rglob('*.py')}
    assert modules <= set(contents)


def test_its_metadata_is_whole(contents):
    (name,) = [name for name in contents if name.endswith('.dist-info/METADATA')]
    metadata = Parser().parsestr(contents[name].decode())
    assert metadata['Requires-Python'] == '>=3.10'
    assert set(metadata.get_all('Provides-Extra')) == EXTRAS
    assert len(metadata.get_all('Project-URL')) >= 2
    readme = metadata.get_payload()
    assert metadata['Description-Content-Type'] == 'text/markdown'
    # An index of packages has no files beside it that links could lead to.
    assert [link for link in re.findall(r'\]\(([^)]+)\)', readme) if 'http' not in link] == []


def test_extra_ros_has_the_versions_of_the_requirements(contents):
    (name,) = [name for name in contents if name.endswith('.dist-info/METADATA')]
    metadata = Parser().parsestr(contents[name].decode())
    wanted = [each for each in metadata.get_all('Requires-Dist') if 'extra == "ros"' in each]
    lines = (ROOT / 'requirements' / 'ros.txt').read_text().splitlines()
    pinned = {line for line in lines if line and not line.startswith('#')}
    assert {each.split(';')[0].strip() for each in wanted} == pinned


def test_it_renders_runs_and_matches(environment, tmp_path):
    variables, folder = environment
    command = folder / 'bin' / 'loftr_vo'
    options = {'cwd': tmp_path, 'env': variables}
    where = run(sys.executable, '-c', 'import loftr_vo; print(loftr_vo.__file__)', **options)
    assert where.startswith(str(folder))
    run(command, 'render', 'room', '--frames', 4, '--size', '160x120', '-o', 'walk', **options)
    run(command, 'run', 'walk', '-o', 'out', **options)
    poses = (tmp_path / 'out' / 'trajectory.txt').read_text().splitlines()
    assert sum(not line.startswith('#') for line in poses) == 4
    pictures = sorted((tmp_path / 'walk' / 'images').glob('*.png'))
    told = run(command, 'match', pictures[0], pictures[1], '-o', 'matches.png', **options)
    assert int(told.split()[0]) > 20
    assert (tmp_path / 'matches.png').is_file()
