# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Start visual odometry of one camera; several cameras: once each, with a namespace."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage

from loftr_vo.ros.launch_values import LaunchValues

SHARE = Path(__file__).resolve().parent.parent

# Topics that the node takes: argument: (the node's name for it, description).
TOPICS = {
    'image': ('image', 'Topic of the pictures.'),
    'camera_info': ('camera_info', "Topic of the camera's calibration."),
    'depth': ('depth', 'Topic of the depth pictures, for scale.source depth.'),
    'right_image': ('right/image', 'Topic of the right pictures, for scale.source stereo.'),
    'right_camera_info': ('right/camera_info', "Topic of the right camera's calibration."),
    'scale_odom': ('scale_odom', 'Topic of another odometry, for scale.source odometry.'),
    'imu': ('imu', 'Topic of an IMU, for scale.source imu.'),
}

# Argument: (default, description).
ARGUMENTS = {
    'namespace': ('', 'Namespace of the node and of the topics that it publishes.'),
    'name': ('loftr_vo', 'Name of the node.'),
    'params_file': (
        '',
        'Parameter file with what differs from the defaults. The arguments below win over it. '
        'config/vo.yaml of the package has every parameter, to copy from.',
    ),
    'rviz': ('false', 'Whether to start RViz too.'),
    'camera_frame': (
        '',
        'Frame of the pictures. Given, it is published as fixed to base_frame, looking along its '
        'x axis: for a camera that no robot description places. Needs tf2_ros.',
    ),
    'log_level': ('info', "Least severity that is logged; debug is the node's own alone."),
}

# Each sets one parameter of the node: argument: (parameter, its type, description).
PARAMETERS = {
    'weights': ('matcher.weights', str, 'Name or file of the weights, such as compact.'),
    'device': ('matcher.device', str, 'auto, cpu, cuda or cuda:N.'),
    'queue_policy': ('queue_policy', str, 'newest or all.'),
    'image_transport': ('image_transport', str, 'raw or compressed.'),
    'calibration_file': ('calibration_file', str, 'Calibration in place of camera_info.'),
    'imu_calibration': ('imu_calibration', str, 'Where the IMU is, in place of TF: a file.'),
    'mask': ('mask', str, 'Picture file, white where the view is used.'),
    'scale_source': ('scale.source', str, 'none, depth, stereo, odometry, camera_height or imu.'),
    'depth_transport': ('depth_transport', str, 'raw or compressedDepth.'),
    'camera_height': ('scale.camera_height', float, 'Height above the ground in metres.'),
    'base_frame': (
        'base_frame',
        str,
        'Frame whose motion is published. Given, the camera is looked up in TF from it.',
    ),
    'odom_frame': ('odom_frame', str, 'Frame that the motion is published in.'),
    'publish_tf': ('publish_tf', bool, 'Whether to broadcast it to TF.'),
    'autostart': ('autostart', bool, 'Whether to activate without a lifecycle manager.'),
    'input_timeout': (
        'input_timeout',
        float,
        'Silence on a topic in seconds after which it is reported.',
    ),
    'use_sim_time': ('use_sim_time', bool, 'Whether to take the time from /clock.'),
}

# Launch files of others, Nav2's among them, write booleans as Python does.
BOOLEAN = ['true', 'false', 'True', 'False']
CHOICES = {
    'rviz': BOOLEAN,
    'log_level': ['debug', 'info', 'warn', 'error', 'fatal'],
    'queue_policy': ['', 'newest', 'all'],
    'image_transport': ['', 'raw', 'compressed'],
    'depth_transport': ['', 'raw', 'compressedDepth'],
    'scale_source': ['', 'none', 'depth', 'stereo', 'odometry', 'camera_height', 'imu'],
    **{name: ['', *BOOLEAN] for name, (_, kind, _) in PARAMETERS.items() if kind is bool},
}

# Topics below the node's name that RViz is configured for.
SHOWN = ('path', 'points', 'matches', 'match_image')

# The optical axes (x right, y down, z forward) in those of a body, as a quaternion.
OPTICAL = {'qx': '-0.5', 'qy': '0.5', 'qz': '-0.5', 'qw': '0.5'}


def generate_launch_description() -> LaunchDescription:
    """Return the node, RViz where it is wanted, and every argument with its description."""
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
    """Return the processes that the arguments ask for.

    Raises:
        ValueError: there is no such parameter file, or it cannot be read.
        RuntimeError: a package is missing. Nothing has been started then.
    """
    values = LaunchValues(context.launch_configurations)
    nodes = [odometry_node(values)]
    if values.argument('camera_frame'):
        require(context, 'camera_frame', 'tf2_ros', 'static_transform_publisher')
        nodes.append(camera_transform(values))
    if values.flag('rviz'):
        require(context, 'rviz', 'rviz2', 'rviz2')
        nodes.append(rviz(values))
    return nodes


def require(context: LaunchContext, argument: str, package: str, executable: str) -> None:
    """Make sure that an executable is installed.

    Raises:
        RuntimeError: it is not; names the package, and the argument that needs it.
    """
    try:
        ExecutableInPackage(executable, package).perform(context)
    # Both ament_index_python's PackageNotFoundError and launch's SubstitutionFailure.
    except Exception as error:
        raise RuntimeError(
            f'{argument} needs the ROS package {package}, which is not installed: install '
            f'ros-$ROS_DISTRO-{package.replace("_", "-")}, or leave {argument} out'
        ) from error


def odometry_node(values: LaunchValues) -> Node:
    """Return the node with the parameters of those arguments that were given."""
    parameters = {
        parameter: ParameterValue(LaunchConfiguration(argument), value_type=kind)
        for argument, (parameter, kind, _) in PARAMETERS.items()
        if values.argument(argument)
    }
    level = values.argument('log_level')
    if level == 'debug':
        # By the node's logger alone: for all, rcl and the middleware would log each wait.
        level = f'{values.node.strip("/").replace("/", ".")}:=debug'
    return Node(
        package='loftr_vo',
        executable='vo_node',
        name=values.name,
        namespace=values.namespace,
        parameters=[*([values.params_file] if values.params_file else []), parameters],
        remappings=topic_remappings(),
        ros_arguments=['--log-level', level],
        output='screen',
    )


def camera_transform(values: LaunchValues) -> Node:
    """Return the publisher of the fixed transform from the robot to the camera."""
    turn = [word for axis, value in OPTICAL.items() for word in (f'--{axis}', value)]
    frames = ['--frame-id', values.setting('base_frame', 'base_frame') or 'base_link']
    return Node(
        package='tf2_ros',
        executable='static_transform_publisher',
        namespace=values.namespace,
        arguments=[*frames, '--child-frame-id', values.argument('camera_frame'), *turn],
    )


def rviz(values: LaunchValues) -> Node:
    """Return RViz, configured for the node's topics and frames."""
    private = [(f'loftr_vo/{topic}', f'{values.name}/{topic}') for topic in SHOWN]
    frame = values.setting('odom_frame', 'odom_frame')
    return Node(
        package='rviz2',
        executable='rviz2',
        namespace=values.namespace,
        arguments=['-d', str(SHARE / 'rviz' / 'vo.rviz'), '-f', frame],
        parameters=[{'use_sim_time': values.setting('use_sim_time', 'use_sim_time')}],
        remappings=[*topic_remappings(), *private],
    )


def topic_remappings() -> list:
    """Return the node's names for its inputs, each with the topic that the argument names."""
    named = [(topic, LaunchConfiguration(name)) for name, (topic, _) in TOPICS.items()]
    # A remapping of the raw topic is not one of its other transports. Those of the first camera
    # the node finds by itself.
    right = [LaunchConfiguration('right_image'), '/compressed']
    depth = [LaunchConfiguration('depth'), '/compressedDepth']
    return [*named, ('right/image/compressed', right), ('depth/compressedDepth', depth)]
