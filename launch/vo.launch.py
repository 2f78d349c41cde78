# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Start visual odometry of one camera; several cameras: once each, with a namespace."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(__file__).resolve().parent.parent

# Topics that the node takes: argument: (the node's name for it, description).
TOPICS = {
    'image': ('image', 'Topic of the pictures.'),
    'camera_info': ('camera_info', "Topic of the camera's calibration."),
    'depth': ('depth', 'Topic of the depth pictures, for scale.source depth.'),
    'right_image': ('right/image', 'Topic of the right pictures, for scale.source stereo.'),
    'right_camera_info': ('right/camera_info', "Topic of the right camera's calibration."),
    'scale_odom': ('scale_odom', 'Topic of another odometry, for scale.source odometry.'),
}

# Argument: (default, description).
ARGUMENTS = {
    'namespace': ('', 'Namespace of the node and of the topics that it publishes.'),
    'name': ('loftr_vo', 'Name of the node.'),
    'params_file': (
        f'{SHARE}/config/vo.yaml',
        'Parameter file; it need not have all. The arguments below win over it.',
    ),
    'rviz': ('false', 'Whether to start RViz too.'),
    'camera_frame': (
        '',
        'Frame of the pictures. Given, it is published as fixed to base_frame, looking along its '
        'x axis: for a camera that no robot description places. Needs tf2_ros.',
    ),
    'log_level': ('info', 'Least severity that is logged.'),
}

# Each sets one parameter of the node: argument: (parameter, its type, description).
PARAMETERS = {
    'weights': ('matcher.weights', str, 'Name or file of the weights, such as compact.'),
    'device': ('matcher.device', str, 'auto, cpu, cuda or cuda:N.'),
    'queue_policy': ('queue_policy', str, 'newest or all.'),
    'image_transport': ('image_transport', str, 'raw or compressed.'),
    'calibration_file': ('calibration_file', str, 'Calibration in place of camera_info.'),
    'mask': ('mask', str, 'Picture file, white where the view is used.'),
    'scale_source': ('scale.source', str, 'none, depth, stereo, odometry or camera_height.'),
    'camera_height': ('scale.camera_height', float, 'Height above the ground in metres.'),
    'base_frame': (
        'base_frame',
        str,
        'Frame whose motion is published. Given, the camera is looked up in TF from it.',
    ),
    'odom_frame': ('odom_frame', str, 'Frame that the motion is published in.'),
    'publish_tf': ('publish_tf', bool, 'Whether to broadcast it to TF.'),
    'autostart': ('autostart', bool, 'Whether to activate without a lifecycle manager.'),
    'use_sim_time': ('use_sim_time', bool, 'Whether to take the time from /clock.'),
}

CHOICES = {
    'rviz': ['true', 'false'],
    'log_level': ['debug', 'info', 'warn', 'error', 'fatal'],
    **{name: ['', 'true', 'false'] for name, (_, kind, _) in PARAMETERS.items() if kind is bool},
}

# Topics below the node's name that RViz is configured for.
SHOWN = ('path', 'points', 'matches', 'match_image')

# The optical axes (x right, y down, z forward) in those of a body, as a quaternion.
OPTICAL = {'qx': '-0.5', 'qy': '0.5', 'qz': '-0.5', 'qw': '0.5'}


def generate_launch_description() -> LaunchDescription:
    """Return the node, RViz where it is asked for, and every argument with its description."""
    described = {
        **{name: (topic, text) for name, (topic, text) in TOPICS.items()},
        **ARGUMENTS,
        **{
            name: ('', f'{text} Empty: as params_file has it.')
            for name, (_, _, text) in PARAMETERS.items()
        },
    }
    arguments = [
        DeclareLaunchArgument(
            name, default_value=default, description=text, choices=CHOICES.get(name)
        )
        for name, (default, text) in described.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Node]:
    """Return what the arguments ask for.

    Raises:
        RuntimeError: there is no such parameter file.
    """

    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    if not Path(given('params_file')).is_file():
        raise RuntimeError(f'there is no parameter file {given("params_file")}')
    nodes = [odometry_node(given)]
    if given('camera_frame'):
        nodes.append(camera_transform(given))
    if given('rviz') == 'true':
        nodes.append(rviz(given))
    return nodes


def odometry_node(given) -> Node:
    """Return the node with the parameters of those arguments that were given."""
    parameters = {
        parameter: ParameterValue(LaunchConfiguration(argument), value_type=kind)
        for argument, (parameter, kind, _) in PARAMETERS.items()
        if given(argument)
    }
    return Node(
        package='loftr_vo',
        executable='vo_node',
        name=LaunchConfiguration('name'),
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('params_file'), parameters],
        remappings=topic_remappings(),
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        output='screen',
    )


def camera_transform(given) -> Node:
    """Return what fixes the camera to the robot."""
    turn = [word for axis, value in OPTICAL.items() for word in (f'--{axis}', value)]
    frames = ['--frame-id', given('base_frame') or 'base_link']
    return Node(
        package='tf2_ros',
        executable='static_transform_publisher',
        namespace=LaunchConfiguration('namespace'),
        arguments=[*frames, '--child-frame-id', given('camera_frame'), *turn],
    )


def rviz(given) -> Node:
    """Return RViz, configured for the node's topics and frames."""
    frame = ['-f', given('odom_frame')] if given('odom_frame') else []
    sim_time = {'use_sim_time': given('use_sim_time') == 'true'}
    private = [(f'loftr_vo/{topic}', f'{given("name")}/{topic}') for topic in SHOWN]
    return Node(
        package='rviz2',
        executable='rviz2',
        namespace=LaunchConfiguration('namespace'),
        arguments=['-d', str(SHARE / 'rviz' / 'vo.rviz'), *frame],
        parameters=[sim_time],
        remappings=[*topic_remappings(), *private],
    )


def topic_remappings() -> list:
    """Return the node's names for its inputs, each with the topic that the argument names."""
    named = [(topic, LaunchConfiguration(name)) for name, (topic, _) in TOPICS.items()]
    # The node looks for the compressed pictures of the first camera beside the raw ones itself.
    right = [LaunchConfiguration('right_image'), '/compressed']
    return [*named, ('right/image/compressed', right)]
