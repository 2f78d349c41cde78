# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Packaging for ament (colcon build) and for pip."""

import re
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'loftr_vo'
SHARE = f'share/{NAME}'
EVALUATION = ['evo', 'matplotlib']
ADDRESS = 'https://github.com/loftr-vo/loftr_vo'
# The one place that has the version is the package; importing it here would need its dependencies.
VERSION = re.search(r"__version__ = '(.*)'", Path(NAME, '__init__.py').read_text())[1]


def readme() -> str:
    """Return README.md for an index of packages: its links, relative here, as addresses."""
    text = Path('README.md').read_text(encoding='utf-8')
    text = re.sub(r'!\[([^]]*)\]\((?!http)', rf'![\1]({ADDRESS}/raw/main/', text)
    # Pictures have addresses by now; a link may stand around one.
    return re.sub(r'\]\((?!http)', rf']({ADDRESS}/blob/main/', text)


setup(
    name=NAME,
    version=VERSION,
    description="Visual odometry from LoFTR matches: a camera's pictures in, its motion out.",
    long_description=readme(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    url=ADDRESS,
    project_urls={
        'Documentation': f'{ADDRESS}/tree/main/docs',
        'Issues': f'{ADDRESS}/issues',
        'Changes': f'{ADDRESS}/blob/main/CHANGELOG.rst',
    },
    keywords=['visual odometry', 'LoFTR', 'feature matching', 'ROS 2', 'robotics'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3 :: Only',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 15)),
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    maintainer='The loftr_vo authors',
    maintainer_email='loftr-vo@users.noreply.github.com',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'weights/*', 'evaluation/page/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml', 'LICENSE']),
        (f'{SHARE}/launch', glob('launch/*.launch.py')),
        (f'{SHARE}/config', glob('config/*.yaml')),
        (f'{SHARE}/rviz', glob('rviz/*.rviz')),
        (f'{SHARE}/foxglove', glob('foxglove/*.json')),
    ],
    entry_points={
        'console_scripts': [
            f'vo_node = {NAME}.ros.executables:vo_node',
            f'vo_camera = {NAME}.ros.executables:vo_camera',
            f'vo_recorder = {NAME}.ros.executables:vo_recorder',
            f'vo_when_active = {NAME}.ros.executables:vo_when_active',
            f'vo_px4 = {NAME}.ros.executables:vo_px4',
            f'vo_rerun = {NAME}.ros.executables:vo_rerun',
            f'loftr_vo = {NAME}.cli.main:main',
        ],
        # Read by containers of Python nodes, where a distribution has one.
        'rclpy_components': [
            f'{NAME}::VisualOdometryNode = {NAME}.ros.component:VisualOdometryComponent',
        ],
    },
    python_requires='>=3.10',
    install_requires=[
        'Jinja2',
        'numpy',
        'opencv-python',
        'PyYAML',
        'rosbags',
        'rosbags-image',
        'scipy',
        'torch',
        'tqdm',
    ],
    extras_require={
        # ROS 2 Jazzy from pip, for machines without a ROS distribution.
        'ros': [
            'ros-rclpy[fastrtps]==7.1.6',
            'ros-diagnostic-msgs==5.3.6',
            'ros-geometry-msgs==5.3.6',
            'ros-lifecycle-msgs==2.0.3',
            'ros-nav-msgs==5.3.6',
            'ros-rcl-interfaces==2.0.3',
            'ros-rosgraph-msgs==2.0.3',
            'ros-sensor-msgs==5.3.6',
            'ros-std-msgs==5.3.6',
            'ros-std-srvs==5.3.6',
            'ros-visualization-msgs==5.3.6',
        ],
        # evo is GPL-3.0: only who scores trajectories installs it.
        'evaluation': EVALUATION,
        # For `evaluate --ray`, s3:// and other URLs, and the table of results as Parquet.
        'cluster': [*EVALUATION, 'fsspec', 'pyarrow', 'ray'],
        # For `run --rerun FILE.rrd` and `vo_rerun`.
        'rerun': ['rerun-sdk>=0.41'],
        # training/ is in the repository, not in the wheel: this is what it needs besides.
        'training': ['matplotlib'],
        'test': [
            *EVALUATION,
            'gtsam; python_version < "3.14"',
            'kornia',
            'mypy',
            'pytest',
            'pytest-xdist',
            'ruff',
        ],
    },
    zip_safe=False,
)
