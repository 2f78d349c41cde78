# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The package installs as ROS expects it, by colcon and by pip."""

import ast
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from paths import ROOT

# colcon-core still runs `setup.py` commands that newer setuptools took away.
COLCON = [
    'setuptools<70',
    'colcon-core',
    'colcon-bash',
    'colcon-library-path',
    'colcon-package-information',
    'colcon-python-setup-py',
    'colcon-recursive-crawl',
    'colcon-ros',
]


def run(*command, **options):
    """Run a command; fail with what it printed."""
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """Return a copy of what the package is made from: building must not litter the repository."""
    copy = tmp_path_factory.mktemp('source') / 'loftr_vo'
    copy.mkdir()
    for file in ('package.xml', 'setup.py', 'setup.cfg', 'LICENSE', 'README.md'):
        shutil.copy(ROOT / file, copy)
    for folder in ('loftr_vo', 'launch', 'config', 'rviz', 'foxglove', 'resource'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignore)
    return copy


@pytest.fixture(scope='module')
def colcon(tmp_path_factory):
    """Return the colcon command, installed for the test where there is none."""
    found = shutil.which('colcon')
    if found:
        return found
    venv = tmp_path_factory.mktemp('colcon')
    run(sys.executable, '-m', 'venv', venv)
    pip = [venv / 'bin' / 'pip', 'install', '--quiet', *COLCON]
    if subprocess.run(pip, capture_output=True, check=False).returncode:
        pytest.skip('colcon is not installed and pip cannot reach an index to install it')
    return venv / 'bin' / 'colcon'


@pytest.fixture(scope='module')
def install(source, colcon, tmp_path_factory):
    """Return the install space of a colcon build."""
    space = tmp_path_factory.mktemp('workspace')
    bases = ['--build-base', space / 'build', '--install-base', space / 'install']
    log = ['--log-base', space / 'log']
    run(colcon, *log, 'build', '--base-paths', source, *bases, cwd=space)
    return space / 'install' / 'loftr_vo'


def test_colcon_knows_it_as_an_ament_package(source, colcon, tmp_path):
    listed = run(colcon, '--log-base', tmp_path, 'list', '--base-paths', source)
    assert listed.split()[0] == 'loftr_vo'
    assert listed.split()[-1] == '(ros.ament_python)'


@pytest.mark.parametrize(
    'file',
    [
        'share/ament_index/resource_index/packages/loftr_vo',
        'share/loftr_vo/package.xml',
        'share/loftr_vo/launch/demo.launch.py',
        'share/loftr_vo/launch/replay.launch.py',
        'share/loftr_vo/launch/vo.launch.py',
        'share/loftr_vo/config/vo.yaml',
        'share/loftr_vo/rviz/vo.rviz',
        'share/loftr_vo/foxglove/loftr_vo.json',
        'lib/loftr_vo/vo_node',
        'lib/loftr_vo/loftr_vo',
        'lib/loftr_vo/vo_camera',
        'lib/loftr_vo/vo_recorder',
        'lib/loftr_vo/vo_when_active',
        'lib/loftr_vo/vo_px4',
        'lib/loftr_vo/vo_rerun',
        'share/loftr_vo/config/mavros.yaml',
    ],
)
def test_colcon_installs(install, file):
    assert (install / file).is_file()


def test_colcon_installs_every_module_and_the_weights(install):
    (package,) = install.glob('lib/python*/site-packages/loftr_vo')
    wanted = [
        path.relative_to(ROOT / 'loftr_vo')
        for pattern in ('*.py', '*.pt', '*.json', '*.yaml')
        for path in (ROOT / 'loftr_vo').rglob(pattern)
    ]
    assert len(wanted) > 20
    assert [str(path) for path in wanted if not (package / path).is_file()] == []


def test_pip_installs_the_commands(source, tmp_path):
    venv = tmp_path / 'venv'
    run(sys.executable, '-m', 'venv', '--system-site-packages', venv)
    # The dependencies are those of the running interpreter; what is tested is this package.
    setuptools = __import__('setuptools').__file__
    options = ['--quiet', '--no-deps', '--no-build-isolation', '--no-index']
    environment = {'PYTHONPATH': setuptools.rsplit('/', 2)[0], 'PATH': '/usr/bin:/bin'}
    run(venv / 'bin' / 'pip', 'install', *options, source, env=environment)
    for command in ('vo_node', 'loftr_vo'):
        assert (venv / 'bin' / command).is_file()
    assert (venv / 'share' / 'loftr_vo' / 'launch' / 'vo.launch.py').is_file()


def test_package_manifest_and_setup_agree(source):
    manifest = ElementTree.parse(ROOT / 'package.xml').getroot()
    setup = [sys.executable, 'setup.py', '--name', '--version', '--license', '--description']
    told = run(*setup, cwd=source).splitlines()[-4:]
    assert told == [
        manifest.findtext('name'),
        manifest.findtext('version'),
        manifest.findtext('license'),
        manifest.findtext('description'),
    ]
    assert manifest.get('format') == '3'
    assert manifest.find('export/build_type').text == 'ament_python'


# Python modules whose package is called otherwise in package.xml.
KEYS = {
    'cv2': 'python3-opencv',
    'jinja2': 'python3-jinja2',
    'numpy': 'python3-numpy',
    'scipy': 'python3-scipy',
    'tf2_ros': 'tf2_ros_py',
    'torch': 'python3-torch',
    'tqdm': 'python3-tqdm',
    'yaml': 'python3-yaml',
}
# From pip, or only where an extra is installed.
NO_KEY = {
    'PIL',
    'evo',
    'fsspec',
    'kornia',
    'matplotlib',
    'px4_msgs',
    'pyarrow',
    'ray',
    'rerun',
    'rosbags',
    'triton',
}


def imported_modules():
    """Return the top-level modules that the package and its launch files import."""
    found = set()
    for folder in ('loftr_vo', 'launch'):
        for file in (ROOT / folder).rglob('*.py'):
            for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split('.')[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    found.add(node.module.split('.')[0])
    return found - set(sys.stdlib_module_names) - {'loftr_vo'}


def test_package_manifest_names_all_that_is_imported():
    manifest = ElementTree.parse(ROOT / 'package.xml').getroot()
    named = {element.text for element in manifest.findall('exec_depend')}
    needed = {KEYS.get(module, module) for module in imported_modules() - NO_KEY}
    assert {'rclpy', 'launch', 'python3-torch'} <= needed
    assert needed - named == set()
