# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag to the node, record its odometry, score it, end; the exit code says if it held.

Arguments of vo.launch.py may be given too.
"""

import itertools
import json
import math
import subprocess
from importlib.util import find_spec
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetLaunchConfiguration,
    Shutdown,
)
from launch.event_handlers import OnProcessExit, OnShutdown
from launch.events.process import ShutdownProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

from loftr_vo.ros.launch_values import LaunchValues

VO = str(Path(__file__).resolve().parent / 'vo.launch.py')

# Argument: (default, description).
ARGUMENTS = {
    'bag': (None, 'The rosbag2: a folder, or a .mcap or .db3 file.'),
    'image': ('', 'Topic of the pictures in the bag. Empty: the one that there is.'),
    'camera_info': ('', 'Topic of the calibration in the bag. Empty: the one that belongs to it.'),
    'ground_truth': (
        '',
        'Trajectory file (TUM format, camera optical frame) or bag to score against. Empty: '
        'poses in the bag, if it has some.',
    ),
    'ground_truth_topic': ('', 'Topic of the true poses, of a bag with several.'),
    'extrinsics': (
        '',
        'Pose of the camera on what the ground truth is of, as loftr_vo score has it. Empty: '
        'from /tf_static of the bag; for a file, a camera that looks along x.',
    ),
    'max_ate': (
        '',
        'Largest error of the positions that is held, in percent of the path. Empty: 5 where '
        'there is ground truth. Given, a replay without ground truth is refused.',
    ),
    'min_tracked': ('90.0', 'Least share of the pictures that must be tracked, in percent.'),
    'rate': ('1.0', 'Times as fast as recorded.'),
    'output': ('results/replay', 'Folder for odometry and figures; earlier ones are replaced.'),
    'also_play': ('', 'More topics of the bag to play, besides those named and /tf_static.'),
    'player': (
        'auto',
        'What plays the bag: ros2 bag play where it is installed, or loftr_vo play.',
    ),
}
CHOICES = {'player': ['auto', 'ros2', 'loftr_vo']}

# How the options of the command are called here.
NAMES = {
    '--image-topic': 'image:=TOPIC',
    '--camera-info-topic': 'camera_info:=TOPIC',
    '--ground-truth-topic': 'ground_truth_topic:=TOPIC',
    '--depth-topic': 'depth:=TOPIC',
    '--right-image-topic': 'right_image:=TOPIC',
    '--odometry-topic': 'scale_odom:=TOPIC',
    '--imu-topic': 'imu:=TOPIC',
}
# Facts of the bag that are arguments of vo.launch.py.
NODE_FACTS = (
    *('image', 'camera_info', 'image_transport'),
    *('depth', 'depth_transport', 'right_image', 'right_camera_info'),
    *('scale_odom', 'imu'),
)

# Percent of the path.
DEFAULT_MAX_ATE = '5.0'
# Seconds: a bag comes to its end, and the recorder waits up to 15 s for what is still in work.
INPUT_TIMEOUT = '30.0'
# Seconds until the node is active: weights may have to be downloaded.
READY_TIMEOUT = 600
# Seconds, and milliseconds, that ros2 bag play waits at the beginning and at the end.
DISCOVERY = 2
LAST_ACKNOWLEDGEMENT = 10_000


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, and what makes the rest when they are known."""
    arguments = [
        DeclareLaunchArgument(
            name, default_value=default, description=text, choices=CHOICES.get(name)
        )
        for name, (default, text) in ARGUMENTS.items()
    ]
    processes: list = []
    prepare = OpaqueFunction(function=replay, args=[processes])
    # It takes over the launch configurations that replay() sets.
    node = IncludeLaunchDescription(VO)
    # After the node, which refuses bad arguments: what ran by then would be left behind.
    start = OpaqueFunction(function=lambda context: processes)
    return LaunchDescription([*arguments, prepare, node, start])


def replay(context: LaunchContext, processes: list) -> list:
    """Return what the node is told and what happens when a process ends.

    Args:
        context: of the launch.
        processes: recorder and player are added to it, to be started last.

    Raises:
        ValueError: an argument is no number, outside its range, or none of its choices.
        RuntimeError: there is no bag, or the bag has not what is needed.
    """
    values = LaunchValues(context.launch_configurations)

    def given(name: str) -> str:
        return LaunchConfiguration(name, default='').perform(context)

    def executable(name: str) -> str:
        return ExecutableInPackage(name, 'loftr_vo').perform(context)

    values.number('max_ate', 0.0, math.inf)
    values.number('min_tracked', 0.0, 100.0)
    values.number('rate', 1e-3, 1e3)
    bag, output = Path(given('bag')).expanduser(), Path(given('output')).expanduser()
    source = values.setting('scale_source', 'scale.source')
    facts = inspect(executable('loftr_vo'), bag, given, source)
    wanted = [name for name in ('max_ate', 'extrinsics') if given(name)]
    if wanted and not facts['ground_truth']:
        raise RuntimeError(f'{wanted[0]} is given, but {in_our_names(facts["no_ground_truth"])}')
    for name, of in (('image_transport', 'image'), ('depth_transport', 'depth')):
        if given(name) and given(name) != facts.get(name, given(name)):
            raise RuntimeError(
                f'{name}:={given(name)} is given, but {facts[of]} of the bag is {facts[name]}: '
                f'choose a topic with {of}:=TOPIC, and leave {name} out'
            )
    node = {
        **{name: facts[name] for name in NODE_FACTS if name in facts},
        'queue_policy': given('queue_policy') or 'all',
        'use_sim_time': 'true',
        'input_timeout': given('input_timeout') or INPUT_TIMEOUT,
    }
    recorder = recording(facts, output, given, values, source)
    player = playing(facts, bag, output, given, executable, values)
    scorer = scoring(facts, bag, output, given, executable)

    # Whether the odometry is complete, and whether the replay has come to a result.
    is_recorded = is_over = False

    def go_on(event, context: LaunchContext) -> list | None:
        nonlocal is_recorded, is_over
        if context.is_shutdown or 'rviz2' in event.process_name:
            return None
        done = event.returncode == 0
        if done and (event.action is player or (is_recorded and is_node(event.action))):
            return None
        if done and event.action is recorder and scorer is not None:
            is_recorded = True
            # Scoring takes a while, in which the node would report that no picture comes.
            return [EmitEvent(event=ShutdownProcess(process_matcher=is_node)), scorer]
        is_over = True
        if done and event.action in (recorder, scorer):
            return [Shutdown(reason='the replay held')]
        raise RuntimeError(
            f'the replay failed: {event.process_name} ended with code {event.returncode}'
        )

    def end(event, context: LaunchContext) -> None:
        nonlocal is_over
        if event.due_to_sigint and not is_over:
            is_over = True
            raise RuntimeError('the replay was interrupted')

    watch = RegisterEventHandler(OnProcessExit(on_exit=go_on))
    processes.extend([recorder, player])
    told = LogInfo(msg=f'{bag}: {facts["frames"]} pictures on {facts["image"]}; {verdict(facts)}')
    interrupted = RegisterEventHandler(OnShutdown(on_shutdown=end))
    return [told, *itertools.starmap(SetLaunchConfiguration, node.items()), watch, interrupted]


def is_node(action) -> bool:
    """Whether a process is the node."""
    return getattr(action, 'node_executable', None) == 'vo_node'


def inspect(command: str, bag: Path, given, source: str) -> dict:
    """Return what is in the bag, as ``loftr_vo topics`` finds it.

    Raises:
        RuntimeError: there is no bag, or it has not what is needed, for the scale too.
    """
    options = {
        '--image-topic': given('image'),
        '--camera-info-topic': given('camera_info'),
        '--ground-truth': given('ground_truth'),
        '--ground-truth-topic': given('ground_truth_topic'),
        '--extrinsics': given('extrinsics'),
        '--scale-source': source,
        '--depth-topic': given('depth'),
        '--right-image-topic': given('right_image'),
        '--odometry-topic': given('scale_odom'),
        '--imu-topic': given('imu'),
    }
    result = subprocess.run(
        [command, 'topics', str(bag), '--json', *words(options)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        reason = result.stderr.strip().removeprefix('loftr_vo: error: ')
        raise RuntimeError(in_our_names(reason))
    return json.loads(result.stdout)


def in_our_names(reason: str) -> str:
    """Return a message of the command with the names of this launch file's arguments."""
    for option, name in NAMES.items():
        reason = reason.replace(option, name)
    return reason


def verdict(facts: dict) -> str:
    """Return in words what the odometry is scored against."""
    if facts['ground_truth']:
        return f'ground truth: {facts["ground_truth"]}'
    return (
        'no ground truth, so only the share of tracked pictures is held against a bound: '
        + in_our_names(facts['no_ground_truth'])
    )


def recording(facts: dict, output: Path, given, values: LaunchValues, source: str) -> Node:
    """Return what writes the odometry into a bag, and ends when all pictures are answered."""
    options = {
        '--publisher': values.name,
        '--frames': str(facts['frames']),
        '--min-tracked': given('min_tracked'),
        '--scale-source': source,
    }
    return Node(
        package='loftr_vo',
        executable='vo_recorder',
        namespace=values.namespace,
        arguments=[str(output / 'odometry'), *words(options)],
        parameters=[{'use_sim_time': True}],
        remappings=[('image', pictures(facts))],
        output='screen',
    )


def playing(
    facts: dict, bag: Path, output: Path, given, executable, values: LaunchValues
) -> ExecuteProcess:
    """Return what plays the bag as soon as the node is active."""
    topics = [pictures(facts), facts['camera_info'], *scale_topics(facts)]
    needed = [*topics, '/tf_static', *given('also_play').split()]
    ros2 = given('player') == 'ros2' or (given('player') == 'auto' and bool(find_spec('ros2bag')))
    if ros2:
        command = [
            *('ros2', 'bag', 'play', str(bag), '--clock', '100', '--rate', given('rate')),
            *('--delay', str(DISCOVERY), '--wait-for-all-acked', str(LAST_ACKNOWLEDGEMENT)),
            *('--qos-profile-overrides-path', str(reliable(topics, output))),
            *('--disable-keyboard-controls', '--topics', *needed),
        ]
    else:
        command = [
            *(executable('loftr_vo'), 'play', str(bag), '--rate', given('rate')),
            *('--wait', '60', '--topics', *needed),
        ]
    wait = [executable('vo_when_active'), values.node, str(READY_TIMEOUT)]
    return ExecuteProcess(cmd=[*wait, *command], name='player', output='screen')


def reliable(topics: list, output: Path) -> Path:
    """Write and return the file that has ros2 bag play publish topics without loss."""
    lines = [f'{topic}:\n  reliability: reliable\n  history: keep_all\n' for topic in topics]
    output.mkdir(parents=True, exist_ok=True)
    path = output / 'player_qos.yaml'
    path.write_text(''.join(lines), encoding='utf-8')
    return path


def scoring(facts: dict, bag: Path, output: Path, given, executable) -> ExecuteProcess | None:
    """Return what scores the recorded odometry; None where there is no ground truth."""
    if not facts['ground_truth']:
        return None
    truth = Path(given('ground_truth') or bag).expanduser()
    from_file = truth.is_file() and truth.suffix not in ('.mcap', '.db3')
    options = {
        '--ground-truth': str(truth),
        '--ground-truth-topic': facts['ground_truth_topic'],
        '--extrinsics': given('extrinsics') or ('optical' if from_file else ''),
        '--max-ate': given('max_ate') or DEFAULT_MAX_ATE,
        '--json': str(output / 'score.json'),
    }
    command = [executable('loftr_vo'), 'score', str(output / 'odometry'), *words(options)]
    return ExecuteProcess(cmd=command, name='score', output='screen')


def pictures(facts: dict) -> str:
    """Return the topic of the pictures, as the bag has it."""
    compressed = facts['image_transport'] == 'compressed'
    return facts['image'] + ('/compressed' if compressed else '')


def scale_topics(facts: dict) -> list:
    """Return the topics of the bag that the source of the scale needs."""
    depth, right = facts.get('depth'), facts.get('right_image')
    if depth and facts['depth_transport'] == 'compressedDepth':
        depth += '/compressedDepth'
    if right and facts['image_transport'] == 'compressed':
        right += '/compressed'
    others = [facts.get(name) for name in ('right_camera_info', 'scale_odom', 'imu')]
    return [topic for topic in (depth, right, *others) if topic]


def words(options: dict) -> list:
    """Return the options that have a value as words of a command line."""
    return [word for option, value in options.items() if value for word in (option, value)]
