# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A bag through the real node, and a stream with a covered lens: how well, and how it goes on."""

import signal
import subprocess
import sys

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('evo', reason='evo is not installed')

from camera_process import camera_info, image
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from node_harness import ERROR, OK, SECOND, environment
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from scenery import HEIGHT, WIDTH, sideways_view
from std_srvs.srv import SetBool, Trigger

from loftr_vo.datasets.bag_writing import BagOptions, write_bag
from loftr_vo.ros import odometry_recorder
from loftr_vo.synthetic.sequence import SyntheticSequence

FRAMES = 14
TOPICS = ('/camera/image_raw:=/image', '/camera/camera_info:=/camera_info')


def command(module, *words):
    return [sys.executable, '-m', f'loftr_vo.{module}', *map(str, words)]


def run(*words, timeout=90):
    return subprocess.run(
        words, env=environment(), capture_output=True, text=True, check=False, timeout=timeout
    )


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """Return a bag of a rendered room, with ground truth."""
    path = tmp_path_factory.mktemp('bags') / 'room'
    write_bag(SyntheticSequence('room', FRAMES, (240, 320), rate=5.0), path, BagOptions())
    return path


def test_a_bag_through_the_node_is_within_the_bound(start_node, bag, tmp_path):
    """As replay.launch.py does it: play when the node is active, record, score."""
    node = start_node(queue_policy='all', use_sim_time=True)
    recorded = tmp_path / 'odometry'
    bounds = ['--frames', FRAMES, '--min-tracked', 100]
    recorder = subprocess.Popen(
        command('ros.odometry_recorder', recorded, *bounds),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    remaps = [word for rule in TOPICS for word in ('--remap', rule)]
    play = command('cli', 'play', bag, '--wait', 60, *remaps, '--topics')
    play += [rule.partition(':=')[0] for rule in TOPICS]
    played = run(*command('ros.when_active', '/loftr_vo', 60, *play))
    assert played.returncode == 0, played.stderr + node.text
    told, _ = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, told
    assert f'{FRAMES} of {FRAMES} pictures tracked' in told

    score = command('cli', 'score', recorded, '--ground-truth', bag, '--max-ate')
    within, beyond = run(*score, '1.0'), run(*score, '0.001')
    assert within.returncode == 0, within.stdout + within.stderr
    assert beyond.returncode == 1
    assert 'more than --max-ate' in beyond.stderr
    assert node.stop(signal.SIGINT)[0] == 0, node.text


def test_playing_is_refused_while_the_node_cannot_be_active(start_node):
    start_node(**{'matcher.weights': 'absent.ckpt'})
    result = run(*command('ros.when_active', '/loftr_vo', 60, 'echo', 'played'))
    assert result.returncode == 1
    assert 'absent.ckpt' in result.stderr
    assert 'played' not in result.stdout


def test_waiting_for_a_node_that_is_not_there_ends_with_the_name():
    result = run(*command('ros.when_active', '/nobody', 2, 'echo', 'played'))
    assert result.returncode == 1
    assert '/nobody is not active after 2 s: it has said nothing' in result.stderr


def test_a_replay_without_odometry_is_an_error(make_listener, tmp_path, monkeypatch):
    monkeypatch.setattr(odometry_recorder, '_PATIENCE', 1.0)
    camera = make_listener()
    node = rclpy.create_node('recorder')
    recorder = odometry_recorder.OdometryRecorder(node, 'loftr_vo', tmp_path / 'odometry')
    node.create_timer(1.0, lambda: camera.node.destroy_publisher(camera.images))
    with pytest.raises(odometry_recorder.RecorderError, match='it has said nothing'):
        odometry_recorder.record(node, recorder, '/image', 3)
    recorder.close()
    node.destroy_node()


@pytest.mark.parametrize(
    ('dropped', 'refused', 'complete'), [(0, 0, False), (1, 0, False), (1, 1, True), (5, 0, True)]
)
def test_the_recorder_counts_what_was_dropped_and_refused(tmp_path, dropped, refused, complete):
    node = rclpy.create_node('recorder')
    recorder = odometry_recorder.OdometryRecorder(node, 'loftr_vo', tmp_path / 'odometry')
    recorder._on_odometry(Odometry())
    values = {'state': 'lost', 'stamp': '7', 'dropped': dropped, 'refused': refused}
    status = DiagnosticStatus()
    for key, value in values.items():
        status.values.append(pair(key, str(value)))
    recorder._on_status(status)
    # One answered, one lost without odometry, of four.
    assert recorder.has_all(4) is complete
    recorder.close()
    node.destroy_node()


def pair(key, value):
    from diagnostic_msgs.msg import KeyValue

    return KeyValue(key=key, value=value)


def test_what_is_no_bag_is_never_replaced(tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    result = run(*command('ros.odometry_recorder', tmp_path, '--frames', 1))
    assert result.returncode == 1
    assert 'is there and is no bag' in result.stderr
    assert (tmp_path / 'thesis.tex').exists()


class Lens:
    """A camera that goes sideways before the node, a step a picture, and may be covered."""

    def __init__(self, node, listener):
        self.node, self.listener, self.count = node, listener, 0
        listener.meet(node)
        listener.infos.publish(camera_info(SECOND))

    def show(self, view):
        """Publish a view of the scene, or None for a covered lens; return what came of it."""
        self.count += 1
        stamp = round((1 + self.count / 5) * SECOND)
        covered = np.full((HEIGHT, WIDTH), 3, np.uint8)
        self.listener.images.publish(
            image(stamp, covered if view is None else sideways_view(view))
        )
        self.listener.until(self.node, lambda: stamp in self.listener.stamps(), 'odometry')
        self.listener.until(self.node, lambda: str(stamp) in self.states(), 'status')
        odometry = self.listener.odometry[self.listener.stamps().index(stamp)]
        return odometry, self.states()[str(stamp)]

    def states(self):
        """Return level and values of each status about a picture, by its stamp."""
        found = {}
        for status in self.listener.every_status:
            values = {pair.key: pair.value for pair in status.values}
            if 'stamp' in values:
                found.setdefault(values['stamp'], (status.level, values, status.message))
        return found


def place(odometry):
    position = odometry.pose.pose.position
    return np.array([position.x, position.y, position.z])


def spread(odometry):
    return np.trace(np.reshape(odometry.pose.covariance, (6, 6)))


def test_a_covered_lens_is_said_and_tracking_goes_on_when_it_is_uncovered(
    start_node, make_listener
):
    node = start_node(queue_policy='all')
    lens = Lens(node, make_listener())
    seen = [lens.show(view) for view in range(8)]
    assert seen[-1][1][1]['state'] == 'tracking'
    step = np.linalg.norm(place(seen[-1][0]) - place(seen[-2][0]))

    covered = [lens.show(None) for _ in range(3)]
    for odometry, (level, values, message) in covered:
        assert (level, values['state']) == (ERROR, 'lost')
        assert 'black' in message
        np.testing.assert_allclose(place(odometry), place(seen[-1][0]), atol=1e-9)
    spreads = [spread(odometry) for odometry, _ in [seen[-1], *covered]]
    assert all(np.diff(spreads) > 0)

    found = [lens.show(view) for view in range(8, 12)]
    assert found[0][1][1]['state'] == 'tracking'
    assert all(level == OK for _, (level, _, _) in found[1:])
    path = [place(odometry) for odometry, _ in [seen[-1], *covered, *found]]
    # Nobody who follows odom sees a jump: the way missed is caught up with in small steps.
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 3 * step
    assert spread(found[-1][0]) < spread(covered[-1][0])
    assert node.stop(signal.SIGINT)[0] == 0, node.text


def test_reset_starts_at_the_origin_and_pause_holds(start_node, make_listener):
    node = start_node(queue_policy='all')
    lens = Lens(node, make_listener())
    before, _ = [lens.show(view) for view in range(5)][-1]
    assert np.linalg.norm(place(before)) > 0
    assert lens.listener.call(node, Trigger, 'loftr_vo/reset', Trigger.Request()).success
    after, (_, values, _) = lens.show(5)
    np.testing.assert_allclose(place(after), 0.0, atol=1e-9)
    assert values['state'] == 'initialising'

    known = len(lens.listener.odometry)
    request = SetBool.Request(data=True)
    assert lens.listener.call(node, SetBool, 'loftr_vo/pause', request).success
    lens.listener.images.publish(image(4 * SECOND, sideways_view(6)))
    lens.listener.until_status(node, b'\x01', 'paused')
    assert len(lens.listener.odometry) == known
    request = SetBool.Request(data=False)
    assert lens.listener.call(node, SetBool, 'loftr_vo/pause', request).success
    lens.listener.images.publish(image(5 * SECOND, sideways_view(6)))
    lens.listener.until(node, lambda: len(lens.listener.odometry) == known + 1, 'odometry')
    assert node.stop(signal.SIGTERM)[0] == 0, node.text
