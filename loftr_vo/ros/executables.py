# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The executables of the package: each minds signals first, and imports what it is then.

numpy, OpenCV and ROS take a second or more to load. A signal that comes meanwhile, or until ROS
is up, ends the process at once, with 0 and without a word, as one that comes later does.

``python -m loftr_vo.ros.executables NAME ...`` is the executable called NAME.
"""

from __future__ import annotations

import importlib
import sys

from loftr_vo.ros.signals import end_while_starting

_MODULES = {
    'vo_node': 'loftr_vo.ros.node',
    'vo_camera': 'loftr_vo.ros.rendered_camera',
    'vo_recorder': 'loftr_vo.ros.odometry_recorder',
    'vo_when_active': 'loftr_vo.ros.when_active',
    'vo_px4': 'loftr_vo.ros.px4_bridge',
    'vo_rerun': 'loftr_vo.ros.rerun_bridge',
}
# How the names of ROS 2's packages end, of those that this one imports.
_ROS_ENDINGS = ('rclpy', '_interfaces', '_msgs', '_srvs')


def vo_node() -> int:
    """Run the node."""
    return _run('vo_node')


def vo_camera() -> int:
    """Run the rendered camera."""
    return _run('vo_camera')


def vo_recorder() -> int:
    """Record odometry while a recording is played."""
    return _run('vo_recorder')


def vo_when_active() -> int:
    """Wait for the node, and become a command."""
    return _run('vo_when_active')


def vo_px4() -> int:
    """Hand the odometry to PX4."""
    return _run('vo_px4')


def vo_rerun() -> int:
    """Show the odometry in Rerun."""
    return _run('vo_rerun')


def _run(name: str) -> int:
    end_while_starting()
    try:
        module = importlib.import_module(_MODULES[name])
    except ModuleNotFoundError as error:
        if not (error.name or '').partition('.')[0].endswith(_ROS_ENDINGS):
            raise
        print(_without_ros(name, str(error.name)), file=sys.stderr)
        return 2
    code: int = module.main()
    return code


def _without_ros(name: str, missing: str) -> str:
    """Return what to do where a module of ROS 2 is missing."""
    python = f'Python {sys.version_info.major}.{sys.version_info.minor} ({sys.executable})'
    return (
        f'{name}: this needs ROS 2, and {python} does not find its module {missing}. Source a ROS '
        'distribution that is made for this Python (source /opt/ros/jazzy/setup.bash), or install '
        "ROS 2's Python packages from pip: pip install 'loftr_vo[ros]'"
    )


def _main() -> int:
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ''
    if name not in _MODULES:
        print(f'usage: python -m {__spec__.name} {{{",".join(_MODULES)}}} ...', file=sys.stderr)
        return 2
    return _run(name)


if __name__ == '__main__':
    sys.exit(_main())
