# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Start visual odometry of a rendered camera, to see it work without one.

Arguments of vo.launch.py may be given too.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

# Each sets one parameter of the camera: argument: (default, its type, description).
CAMERA = {
    'scene': ('room', str, 'What is rendered: room or street.'),
    'frames': ('150', int, 'Pictures until the camera turns back.'),
    'width': ('320', int, 'Width of the pictures.'),
    'height': ('240', int, 'Height of the pictures.'),
    'rate': ('5.0', float, 'Pictures a second.'),
    'seed': ('0', int, 'Of textures, path and noise.'),
}
CHOICES = {'scene': ['room', 'street']}


def generate_launch_description() -> LaunchDescription:
    """Return the camera, and the node with its arguments."""
    arguments = [
        DeclareLaunchArgument(
            name, default_value=default, description=text, choices=CHOICES.get(name)
        )
        for name, (default, _, text) in CAMERA.items()
    ]
    camera = Node(
        package='loftr_vo',
        executable='vo_camera',
        namespace=LaunchConfiguration('namespace'),
        parameters=[
            {
                name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                for name, (_, kind, _) in CAMERA.items()
            }
        ],
        output='screen',
    )
    node = IncludeLaunchDescription(str(Path(__file__).resolve().parent / 'vo.launch.py'))
    return LaunchDescription([*arguments, node, camera])
