# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Start visual odometry of a rendered camera, to see it work without one.

Arguments of vo.launch.py may be given too.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from loftr_vo.ros.launch_values import LaunchValues

# Each sets one parameter of the camera: argument: (default, its type, description).
CAMERA = {
    'scene': ('room', str, 'What is rendered: room or street.'),
    'frames': ('150', int, 'Pictures until the camera turns back.'),
    'width': ('320', int, 'Width of the pictures.'),
    'height': ('240', int, 'Height of the pictures.'),
    'rate': ('5.0', float, 'Pictures a second.'),
    'seed': ('0', int, 'Of textures, path and noise.'),
    'with_imu': ('false', bool, 'Whether an IMU is beside the camera, which then goes once.'),
}
CHOICES = {'scene': ['room', 'street'], 'with_imu': ['true', 'false', 'True', 'False']}


def generate_launch_description() -> LaunchDescription:
    """Return the camera, and the node with its arguments."""
    arguments = [
        DeclareLaunchArgument(
            name, default_value=default, description=text, choices=CHOICES.get(name)
        )
        for name, (default, _, text) in CAMERA.items()
    ]
    node = IncludeLaunchDescription(str(Path(__file__).resolve().parent / 'vo.launch.py'))
    watch = RegisterEventHandler(OnProcessExit(on_exit=end_with_the_node))
    # After the node, whose launch file refuses bad arguments before anything is started.
    return LaunchDescription([*arguments, watch, node, OpaqueFunction(function=camera)])


def camera(context: LaunchContext) -> list[Node]:
    """Return the rendered camera, in the node's namespace."""
    return [
        Node(
            package='loftr_vo',
            executable='vo_camera',
            namespace=LaunchValues(context.launch_configurations).namespace,
            parameters=[
                {
                    name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                    for name, (_, kind, _) in CAMERA.items()
                }
            ],
            output='screen',
        )
    ]


def end_with_the_node(event, context: LaunchContext) -> list[Shutdown] | None:
    """Return what ends the demo when the node has ended.

    Raises:
        RuntimeError: the node has failed.
    """
    if context.is_shutdown or not event.process_name.startswith('vo_node'):
        return None
    if event.returncode:
        raise RuntimeError(f'{event.process_name} ended with code {event.returncode}')
    return [Shutdown(reason='the node has ended')]
