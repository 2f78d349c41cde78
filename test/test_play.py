# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A bag played over DDS: what arrives, when, and what the real node makes of it."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import recordings
from paths import ROOT

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from loftr_vo.cli import main
from loftr_vo.config import MatcherSettings, Settings
from loftr_vo.datasets import open_sequence
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.ros.messages import nanoseconds


def environment():
    """Return that of the processes, which is asked for late: the domain is set by a fixture."""
    return {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}


class Ears:
    """Subscribes to the clock and to some topics."""

    def __init__(self, *topics, reliable=True):
        self.node = rclpy.create_node('ears')
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        quality = QoSProfile(depth=1000, reliability=reliability)
        self.heard = {topic: [] for _, topic in topics}
        self.order = []
        for kind, topic in (*topics, (Clock, '/clock')):
            self.node.create_subscription(kind, topic, self._callback(topic), quality)

    def _callback(self, topic):
        def keep(message):
            self.order.append((time.monotonic(), topic, message))
            self.heard.setdefault(topic, []).append(message)

        return keep

    def until(self, condition, process, timeout=60.0):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, {t: len(m) for t, m in self.heard.items()}
            assert process.poll() in (None, 0), process.returncode
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def close(self):
        self.node.destroy_node()


def start_player(bag, *words):
    command = [sys.executable, '-m', 'loftr_vo.cli', 'play', bag, *words]
    return subprocess.Popen(
        [str(word) for word in command], env=environment(), stderr=subprocess.PIPE
    )


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """Five pictures in 0.4 s, of an encoding and a frame that only this bag has."""
    path = tmp_path_factory.mktemp('played') / 'bag'
    with recordings.Bag(path) as writer:
        for stamp, picture in zip(recordings.STAMPS, recordings.pictures(), strict=True):
            writer.write('/camera/camera_info', writer.camera_info(stamp), stamp)
            writer.write('/camera/image_raw', writer.image(picture, stamp), stamp)
    return path


@pytest.fixture
def make_ears():
    made = []

    def make(*topics, **options):
        made.append(Ears(*topics, **options))
        return made[-1]

    yield make
    for ears in made:
        ears.close()


IMAGE, INFO = (Image, '/camera/image_raw'), (CameraInfo, '/camera/camera_info')


@pytest.mark.parametrize('reliable', [True, False])
def test_everything_is_played_in_time_with_the_clock(bag, make_ears, reliable):
    ears = make_ears(IMAGE, INFO, reliable=reliable)
    player = start_player(bag, '--wait', 30, '--rate', 0.25)
    ears.until(lambda: player.poll() is not None, player)
    ears.until(lambda: len(ears.heard['/camera/image_raw']) == 5, player, 5.0)
    images = ears.heard['/camera/image_raw']
    assert [nanoseconds(image.header.stamp) for image in images] == recordings.STAMPS
    for image, picture in zip(images, recordings.pictures(), strict=True):
        np.testing.assert_array_equal(np.reshape(image.data, picture.shape), picture)
    assert len(ears.heard['/camera/camera_info']) == 5
    clock = [nanoseconds(message.clock) for message in ears.heard['/clock']]
    assert clock == sorted(clock)
    # At a quarter of the speed, 0.4 s take 1.6 s, in which the clock ticks 64 times.
    assert len(clock) >= 15
    arrivals = [when for when, topic, _ in ears.order if topic == '/camera/image_raw']
    assert 1.0 < arrivals[-1] - arrivals[0] < 10.0


def test_topics_and_names_can_be_chosen_and_the_beginning_left_out(bag, make_ears):
    ears = make_ears(INFO, (Image, '/eye'))
    words = ['--topics', '/camera/image_raw', '--remap', '/camera/image_raw:=/eye']
    player = start_player(bag, '--wait', 30, '--start-offset', 0.15, *words)
    ears.until(lambda: player.poll() is not None, player)
    ears.until(lambda: len(ears.heard['/eye']) == 3, player, 5.0)
    assert nanoseconds(ears.heard['/eye'][0].header.stamp) == recordings.STAMPS[2]
    assert ears.heard['/camera/camera_info'] == []


def test_loop_goes_on_until_it_is_interrupted(bag, make_ears):
    ears = make_ears(IMAGE, INFO)
    player = start_player(bag, '--wait', 30, '--loop', '--rate', 4)
    ears.until(lambda: len(ears.heard['/camera/image_raw']) >= 12, player)
    player.send_signal(signal.SIGINT)
    assert player.wait(10.0) == 130
    assert b'Traceback' not in player.stderr.read()
    clock = [nanoseconds(message.clock) for message in ears.heard['/clock']]
    assert clock != sorted(clock)


def test_nobody_listens(bag, capsys):
    assert main.main(['play', str(bag), '--wait', '0.2']) == 2
    assert 'nobody has subscribed' in capsys.readouterr().err


def test_what_cannot_be_played(bag, tmp_path, capsys):
    assert main.main(['play', str(tmp_path)]) == 2
    assert 'there is no bag' in capsys.readouterr().err
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0\n')
    assert main.main(['play', str(tmp_path / 'old.bag')]) == 2
    assert 'rosbags-convert' in capsys.readouterr().err
    assert main.main(['play', str(bag), '--start-offset', '3']) == 2
    assert 'not within the 0.4' in capsys.readouterr().err
    assert main.main(['play', str(bag), '--topics', '/x']) == 2
    assert 'none of those named' in capsys.readouterr().err


def test_without_rclpy_the_error_says_what_to_do(bag, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    assert main.main(['play', str(bag)]) == 2
    error = capsys.readouterr().err
    assert 'needs ROS 2' in error
    assert 'source a ROS distribution' in error


def test_node_fed_by_a_played_bag_says_what_evaluate_says(tmp_path, make_ears):
    """The trajectory of the folder, of the bag, and of the bag streamed to the real node."""
    size = 160
    words = ['--frames', '8', '--size', '160x120', '--rate', '5']
    assert main.main(['render', 'room', '-o', str(tmp_path / 'walk'), *words]) == 0
    assert main.main(['record', str(tmp_path / 'walk'), '-o', str(tmp_path / 'bag')]) == 0
    from loftr_vo.odometry import VisualOdometry

    settings = Settings(matcher=MatcherSettings(image_size=size, device='cpu'))
    trajectories = [
        run_sequence(open_sequence(tmp_path / name), VisualOdometry(settings)).trajectory
        for name in ('walk', 'bag', 'bag')
    ]
    assert trajectories[0].path_length > 0.01
    for other in trajectories[1:]:
        np.testing.assert_array_equal(other.stamps, trajectories[0].stamps)
        np.testing.assert_allclose(other.poses, trajectories[0].poses, atol=1e-9)

    ears = make_ears((Odometry, '/odom'))
    parameters = {
        'use_sim_time': 'true',
        'queue_policy': 'all',
        'matcher.image_size': size,
        'matcher.device': 'cpu',
    }
    given = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
    remap = ['-r', 'image:=/camera/image_raw', '-r', 'camera_info:=/camera/camera_info']
    node = subprocess.Popen(
        [sys.executable, '-m', 'loftr_vo.ros.node', '--ros-args', *given, *remap],
        env=environment(),
    )
    # The player waits for the node, and the node for nobody.
    ears.until(lambda: ears.node.count_publishers('/odom') == 1, node)
    player = start_player(tmp_path / 'bag', '--wait', 60)
    try:
        ears.until(lambda: len(ears.heard['/odom']) == 8, node)
        assert player.wait(30.0) == 0
        node.send_signal(signal.SIGINT)
        assert node.wait(20.0) == 0
    finally:
        node.kill()
        player.kill()
    stamps = [nanoseconds(message.header.stamp) for message in ears.heard['/odom']]
    assert stamps == trajectories[0].stamps.tolist()
    wanted = BODY_FROM_OPTICAL @ trajectories[0].poses @ np.linalg.inv(BODY_FROM_OPTICAL)
    found = [message.pose.pose.position for message in ears.heard['/odom']]
    np.testing.assert_allclose(
        [(place.x, place.y, place.z) for place in found], wanted[:, :3, 3], atol=1e-6
    )
