# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Start visual odometry of one camera; several cameras: once each, with a namespace."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('loftr_vo')

ARGUMENTS = {
    'image': ('image', 'Topic of the pictures.'),
    'camera_info': ('camera_info', "Topic of the camera's calibration."),
    'namespace': ('', 'Namespace of the node and of the topics that it publishes.'),
    'name': ('loftr_vo', 'Name of the node.'),
    'params_file': (
        PathJoinSubstitution([SHARE, 'config', 'vo.yaml']),
        'Parameter file; the arguments below win over it.',
    ),
    'rviz': ('false', 'Whether to start RViz: true or false.'),
    'log_level': ('info', 'Least severity that is logged: debug, info, warn, error or fatal.'),
}

# Each sets one parameter of the node: argument: (parameter, its type, description).
PARAMETERS = {
    'weights': ('matcher.weights', str, 'Name or file of the weights, such as compact.'),
    'device': ('matcher.device', str, 'auto, cpu, cuda or cuda:N.'),
    'queue_policy': ('queue_policy', str, 'newest or all.'),
    'image_transport': ('image_transport', str, 'raw or compressed.'),
    'base_frame': ('base_frame', str, 'Frame whose motion is published.'),
    'odom_frame': ('odom_frame', str, 'Frame that the motion is published in.'),
    'publish_tf': ('publish_tf', bool, 'Whether to broadcast it to TF: true or false.'),
    'autostart': ('autostart', bool, 'Whether to activate without a lifecycle manager.'),
    'use_sim_time': ('use_sim_time', bool, 'Whether to take the time from /clock.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return the node, RViz where it is asked for, and every argument with its description."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    arguments += [
        DeclareLaunchArgument(
            name, default_value='', description=f'{text} Empty: as params_file has it.'
        )
        for name, (_, _, text) in PARAMETERS.items()
    ]
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        namespace=LaunchConfiguration('namespace'),
        arguments=['-d', PathJoinSubstitution([SHARE, 'rviz', 'vo.rviz'])],
        condition=IfCondition(LaunchConfiguration('rviz')),
    )
    return LaunchDescription([*arguments, OpaqueFunction(function=odometry_node), rviz])


def odometry_node(context: LaunchContext) -> list[Node]:
    """Return the node with the parameters of those arguments that were given."""
    given = {
        parameter: ParameterValue(LaunchConfiguration(argument), value_type=kind)
        for argument, (parameter, kind, _) in PARAMETERS.items()
        if LaunchConfiguration(argument).perform(context)
    }
    return [
        Node(
            package='loftr_vo',
            executable='vo_node',
            name=LaunchConfiguration('name'),
            namespace=LaunchConfiguration('namespace'),
            parameters=[LaunchConfiguration('params_file'), given],
            remappings=[
                ('image', LaunchConfiguration('image')),
                ('camera_info', LaunchConfiguration('camera_info')),
            ],
            ros_arguments=['--log-level', LaunchConfiguration('log_level')],
            output='screen',
        )
    ]
