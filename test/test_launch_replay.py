# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``ros2 launch loftr_vo replay.launch.py`` and the others, run as people run them."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

# Not launch: the folder of the launch files passes for it.
pytest.importorskip('launch_ros', reason='launch_ros is not installed')
pytest.importorskip('evo', reason='evo is not installed')

import launch_arguments
import numpy as np
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from recordings import write_bag as write_small_bag
from ros_domain import isolate
from scipy.spatial.transform import Rotation

from loftr_vo.datasets.bag_writing import BagOptions, write_bag
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.synthetic.sequence import SyntheticSequence

FRAMES = 12


def installed():
    try:
        return bool(get_package_share_directory('loftr_vo')) and shutil.which('ros2') is not None
    except (PackageNotFoundError, LookupError, OSError):  # OSError: no ROS is sourced
        return False


pytestmark = pytest.mark.skipif(
    not installed(), reason='ros2 launch, or loftr_vo for ROS (colcon build), is not installed'
)


def launch(file, *words, package=('loftr_vo',)):
    """Run a launch file to its end; return exit code and output."""
    isolate()
    result = subprocess.run(
        ['ros2', 'launch', *package, *map(str, (file, *words))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=150,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    return result.returncode, result.stdout


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('bags') / 'room'
    write_bag(SyntheticSequence('room', FRAMES, (240, 320), rate=5.0), path, BagOptions())
    return path


def test_a_replay_that_holds_ends_well(bag, tmp_path):
    parameters = tmp_path / 'part.yaml'
    parameters.write_text('/**:\n  ros__parameters:\n    matcher.image_size: 320\n')
    code, told = launch(
        'replay.launch.py',
        *(f'bag:={bag}', f'output:={tmp_path}', 'max_ate:=1.0', 'min_tracked:=100'),
        *('namespace:=front', 'name:=vo', f'params_file:={parameters}'),
    )
    assert code == 0, told
    assert f'{FRAMES} of {FRAMES} pictures tracked (100.0 %), 0 dropped' in told
    score = json.loads((tmp_path / 'score.json').read_text())
    assert (score['tracked'], score['frames']) == (FRAMES, FRAMES)
    assert 0 < score['ate_percent'] < 1.0
    for alarm in ('[ERROR]', 'process has died', 'nothing publishes', 'no image'):
        assert alarm not in told, told
    own = [line for line in told.splitlines() if line.startswith('[vo_node')]
    assert 0 < sum('[INFO]' in line for line in own) <= 10, own


def test_a_replay_that_is_not_exact_enough_fails(bag, tmp_path):
    words = ['max_ate:=0.0001', 'rate:=2.0', 'log_level:=debug']
    code, told = launch('replay.launch.py', f'bag:={bag}', f'output:={tmp_path}', *words)
    assert code == 1, told
    assert 'more than --max-ate 0.0001' in told
    assert 'the replay failed: score-' in told
    # The node's own lines, a picture each, and none of rcl's.
    lines = [line for line in told.splitlines() if '[DEBUG]' in line]
    assert sum('[loftr_vo]: picture ' in line for line in lines) == FRAMES
    assert all('[loftr_vo]' in line for line in lines)


def test_a_node_that_cannot_start_fails_the_replay(bag, tmp_path):
    code, told = launch('replay.launch.py', f'bag:={bag}', f'output:={tmp_path}', 'weights:=no.pt')
    assert code == 1, told
    assert 'the replay failed' in told
    assert 'no.pt' in told


@pytest.mark.parametrize(
    ('topics', 'words', 'reason'),
    [
        (None, ['bag:=/absent'], 'there is no bag /absent'),
        (('/left/image', '/right/image'), [], 'choose one with image:=TOPIC'),
        (('/left/image',), ['image:=/up/image'], 'has no image topic /up/image'),
        (('/left/image',), ['ground_truth:=/absent.txt'], '/absent.txt'),
        (('/left/image',), ['params_file:=/absent.yaml'], 'there is no parameter file'),
        (('/left/image',), ['player:=vlc'], 'player'),
        (('/left/image',), ['max_ate:=abc'], 'max_ate:=abc is not a number'),
        (('/left/image',), ['min_tracked:=101'], 'min_tracked:=101 is not within'),
        (('/left/image',), ['max_ate:=5'], 'max_ate is given, but'),
        (('/left/image',), ['queue_policy:=some'], 'queue_policy'),
        (('/left/image',), ['scale_source:=sonar'], 'scale_source must be one of none,'),
        (('/left/image',), ['image_transport:=theora'], 'image of the bag is raw'),
        (('/left/image',), ['image_transport:=compressed'], 'choose a topic with image:=TOPIC'),
        (('/left/image',), ['scale_source:=depth'], 'which scale.source depth needs'),
        (('/left/image',), ['scale_source:=stereo'], 'which scale.source stereo needs'),
        (('/left/image',), ['rviz:=true'], 'rviz needs the ROS package rviz2'),
    ],
)
def test_bad_input_is_an_error_at_once(tmp_path, topics, words, reason):
    if topics:
        words = [f'bag:={write_small_bag(tmp_path / "bag", topics=topics)}', *words]
    code, told = launch('replay.launch.py', *words, f'output:={tmp_path / "out"}')
    assert code == 1, told
    assert reason in told
    assert 'process started' not in told


def test_a_bound_that_cannot_be_checked_is_an_error_at_once(tmp_path):
    sequence = SyntheticSequence('room', 2, (48, 64), rate=5.0)
    sequence.provide('odometry')
    write_bag(sequence, tmp_path / 'bag', BagOptions())
    code, told = launch('replay.launch.py', f'bag:={tmp_path / "bag"}', 'max_ate:=5')
    assert code == 1, told
    assert 'max_ate is given, but' in told
    assert 'ground_truth_topic:=TOPIC: /ground_truth/odometry, /odom' in told
    assert 'process started' not in told


@pytest.mark.parametrize('file', ['vo.launch.py', 'demo.launch.py'])
@pytest.mark.parametrize(
    ('word', 'reason'),
    [
        ('rviz:=True', 'rviz needs the ROS package rviz2'),
        ('camera_frame:=lens', 'camera_frame needs the ROS package tf2_ros'),
        ('publish_tf:=perhaps', 'publish_tf'),
    ],
)
def test_what_is_missing_is_said_before_anything_is_started(file, word, reason):
    if reason.endswith(('rviz2', 'tf2_ros')) and is_package(reason.split()[-1]):
        pytest.skip(f'{reason.split()[-1]} is installed')
    code, told = launch(file, word)
    assert code == 1, told
    assert reason in told
    assert 'process started' not in told


def is_package(name):
    try:
        return bool(get_package_share_directory(name))
    except (PackageNotFoundError, LookupError):
        return False


def test_the_demo_ends_with_its_node(tmp_path):
    parameters = tmp_path / 'bad.yaml'
    parameters.write_text('/**:\n  ros__parameters:\n    queue_policy: sometimes\n')
    code, told = launch('demo.launch.py', f'params_file:={parameters}')
    assert code == 1, told
    assert 'vo_camera' in told
    assert 'queue_policy must be one of newest, all' in told


PARENT = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import PushRosNamespace, SetParameter


def generate_launch_description():
    group = [
        PushRosNamespace(LaunchConfiguration('namespace')),
        SetParameter('queue_policy', 'sometimes'),
        IncludeLaunchDescription({file!r}),
    ]
    return LaunchDescription([DeclareLaunchArgument('namespace'), GroupAction(group)])
"""


def test_a_parent_s_namespace_counts_once_and_its_parameters_have_effect(tmp_path):
    file = Path(get_package_share_directory('loftr_vo'), 'launch', 'vo.launch.py')
    parent = tmp_path / 'parent.launch.py'
    parent.write_text(PARENT.format(file=str(file)))
    _, told = launch(parent, 'namespace:=front', package=())
    # The command is told, since it fails.
    assert '-r __ns:=/front ' in told, told
    assert 'queue_policy must be one of newest, all' in told


def test_a_replay_that_is_interrupted_has_not_passed(bag, tmp_path):
    isolate()
    words = ['replay.launch.py', f'bag:={bag}', f'output:={tmp_path}', 'rate:=0.1']
    replay = subprocess.Popen(
        ['ros2', 'launch', 'loftr_vo', *words],
        # A test that was itself started in the background would have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while 'warmed up' not in (line := replay.stdout.readline()):
        assert line, 'it ended by itself'
    replay.send_signal(signal.SIGINT)
    told, _ = replay.communicate(timeout=120)
    assert replay.returncode == 1, told
    assert 'the replay was interrupted' in told


@pytest.mark.parametrize('file', launch_arguments.FILES)
def test_every_argument_is_shown_with_its_description(file):
    code, told = launch(file, '--show-args')
    assert code == 0, told
    flat = ' '.join(told.split())
    for name, _, description in launch_arguments.arguments_of(file):
        assert f"'{name}': {description.partition(' Sets ')[0]}" in flat


def stand_in(prefix, package, executable):
    """Make a ROS package whose executable writes its arguments into a file."""
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True, exist_ok=True)
    (index / package).touch()
    program = prefix / 'lib' / package / executable
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {prefix}/{package}.part\n')
    with program.open('a') as file:
        file.write(f'mv {prefix}/{package}.part {prefix}/{package}.txt\n')
    program.chmod(0o755)
    return prefix / f'{package}.txt'


def test_rviz_and_the_camera_frame_follow_the_arguments(tmp_path):
    rviz = stand_in(tmp_path, 'rviz2', 'rviz2')
    transform = stand_in(tmp_path, 'tf2_ros', 'static_transform_publisher')
    isolate()
    paths = os.pathsep.join([str(tmp_path), os.environ['AMENT_PREFIX_PATH']])
    words = ['image:=/cam/image', 'camera_info:=/cam/info', 'namespace:=front', 'name:=vo']
    # Booleans as Python writes them, and so Nav2's launch files.
    words += ['rviz:=True', 'autostart:=False', 'publish_tf:=False', 'use_sim_time:=True']
    words += ['camera_frame:=lens', 'odom_frame:=vo_odom']
    running = subprocess.Popen(
        ['ros2', 'launch', 'loftr_vo', 'vo.launch.py', *words],
        env={**os.environ, 'AMENT_PREFIX_PATH': paths},
        # A test that was itself started in the background would have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60.0
        while not (rviz.exists() and transform.exists()):
            assert running.poll() is None, running.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    told = rviz.read_text().splitlines()
    assert Path(told[told.index('-d') + 1]).is_file()
    assert told[told.index('-f') + 1] == 'vo_odom'
    rules = {'__ns:=/front', 'image:=/cam/image', 'camera_info:=/cam/info'}
    rules |= {f'loftr_vo/{topic}:=vo/{topic}' for topic in ('path', 'points', 'match_image')}
    assert rules <= set(told)

    told = transform.read_text().splitlines()
    assert told[told.index('--frame-id') + 1] == 'base_link'
    assert told[told.index('--child-frame-id') + 1] == 'lens'
    turn = [float(told[told.index(f'--q{axis}') + 1]) for axis in 'xyzw']
    np.testing.assert_allclose(
        Rotation.from_quat(turn).as_matrix(), BODY_FROM_OPTICAL[:3, :3], atol=1e-12
    )
