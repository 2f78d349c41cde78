# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What developers use agrees with itself: hooks, workflows, citation, the list of slow tests."""

import os
import re
import subprocess
import sys

import pytest
import ros_domain
import yaml
from paths import ROOT

import loftr_vo
from loftr_vo.ros import executables

WORKFLOWS = sorted((ROOT / '.github' / 'workflows').glob('*.yml'))


def pinned(file):
    """Return the versions that a file of requirements pins."""
    text = (ROOT / 'requirements' / file).read_text()
    return dict(re.findall(r'^([\w.-]+)(?:\[\w+\])?==([\w.]+)', text, re.MULTILINE))


def test_hooks_have_the_versions_of_the_requirements():
    hooks = (ROOT / '.pre-commit-config.yaml').read_text()
    versions = re.findall(r'additional_dependencies: \[(\w+)==([\w.]+)\]', hooks)
    assert len(versions) == 2
    assert set(versions) <= set(pinned('test.txt').items())


def test_citation_has_the_version_of_the_package():
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == loftr_vo.__version__


@pytest.mark.parametrize('file', WORKFLOWS, ids=lambda path: path.name)
def test_what_workflows_make_is_in_the_makefile(file):
    wanted = set(re.findall(r'run: make ([\w-]+)', file.read_text()))
    targets = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    assert wanted <= targets


def test_only_a_tag_starts_a_release():
    # YAML reads the key `on` as true.
    assert yaml.safe_load((ROOT / '.github/workflows/release.yml').read_text())[True] == {
        'push': {'tags': ['v*']}
    }


def test_badges_say_what_is_so():
    """The badges of workflows are made from their last run; the others stand in the README."""
    readme = (ROOT / 'README.md').read_text()
    badges = dict(re.findall(r'shields\.io/badge/(\w+)-(.+)-blue', readme))
    said = {name: text.replace('--', '-').replace('_', ' ') for name, text in badges.items()}
    setup = (ROOT / 'setup.py').read_text()
    licence = re.search(r"license='(.*)'", setup)[1]
    oldest = re.search(r"python_requires='>=(.*)'", setup)[1]
    tested = re.findall(r"'3\.(\d+)'", (ROOT / '.github' / 'workflows' / 'ci.yml').read_text())
    newest = max(map(int, tested))
    assert oldest == f'3.{min(map(int, tested))}'
    assert f"3.{{minor}}' for minor in range({oldest[2:]}, {newest + 1})" in setup
    assert said == {'python': f'{oldest} to 3.{newest}', 'licence': licence}


def test_slow_tests_exist():
    lines = (ROOT / 'test' / 'slow_tests.txt').read_text().splitlines()
    for line in lines:
        file, _, name = line.partition('::')
        if line and not line.startswith('#'):
            assert f'def {name or "test_"}' in (ROOT / 'test' / file).read_text(), line


def test_workers_of_one_run_have_different_ros_domains():
    workers = [{'PYTEST_XDIST_WORKER': f'gw{number}'} for number in range(8)]
    domains = [ros_domain.domain(1000 + 37 * i, 950, worker) for i, worker in enumerate(workers)]
    assert len(set(domains)) == 8
    assert set(domains) <= set(range(1, 101))


def test_without_workers_the_domain_follows_the_process():
    assert ros_domain.domain(1234, 1, {}) == 35


def test_executables_say_what_to_install_without_ros(monkeypatch, capsys):
    def missing(name):
        raise ModuleNotFoundError("No module named 'rclpy'", name='rclpy')

    monkeypatch.setattr(executables, 'end_while_starting', lambda: None)
    monkeypatch.setattr(executables.importlib, 'import_module', missing)
    assert executables.vo_node() == 2
    told = capsys.readouterr().err
    assert 'vo_node: this needs ROS 2' in told
    assert "pip install 'loftr_vo[ros]'" in told


def test_another_module_that_is_missing_is_a_fault_of_its_own(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'torch'", name='torch')

    monkeypatch.setattr(executables, 'end_while_starting', lambda: None)
    monkeypatch.setattr(executables.importlib, 'import_module', missing)
    with pytest.raises(ModuleNotFoundError, match='torch'):
        executables.vo_node()


def test_the_command_needs_no_extra_to_begin():
    """Reports and scores need matplotlib and evo, which are of an extra; the help does not."""
    code = (
        'import sys\n'
        "sys.modules.update(dict.fromkeys(['matplotlib', 'evo', 'rclpy', 'ray', 'kornia']))\n"
        'from loftr_vo.cli.main import make_parser\n'
        'make_parser()\n'
    )
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    ended = subprocess.run(
        [sys.executable, '-c', code], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
