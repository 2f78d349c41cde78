# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node's start and its end, whatever comes in between."""

import time

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from fault import STATUS, TERMINAL, faults_of, name_of
from fault_rig import FaultRig
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from start_faults import KIND

from experiments.scene import Scene
from experiments.watched_node import WatchedNode

SIZE = 144, 192
LONGEST_END = 8.0  # seconds; a frame in work is finished for three


@pytest.fixture(scope='module')
def scene():
    return Scene(SIZE, frames=3)


@pytest.fixture
def launch(tmp_path):
    """Return a function that starts the node as a fault says, and give the process to the end."""
    processes = []

    def start(parameters, name='start'):
        processes.append(WatchedNode(parameters, name, tmp_path))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.mark.parametrize(
    'fault', [each for each in faults_of(KIND) if each.inject.after], ids=name_of
)
def test_signal_while_it_starts(launch, fault):
    node = launch({})
    time.sleep(fault.inject.after)
    code, seconds = node.stop(fault.inject.signal)
    assert code == fault.inject.code, node.terminal()
    assert 'Traceback' not in node.terminal(), node.terminal()
    assert seconds < LONGEST_END


@pytest.mark.parametrize(
    'fault',
    [each for each in faults_of(KIND) if each.inject.signal and not each.inject.after],
    ids=name_of,
)
def test_signal_while_it_works(tmp_path, scene, fault):
    rig = FaultRig('work', scene, tmp_path)
    try:
        rig.meet()
        rig.track()
        with rig.camera_at(50.0):
            time.sleep(0.5)
            code, seconds = rig.process.stop(fault.inject.signal)
        assert code == fault.inject.code, rig.process.terminal()
        assert 'Traceback' not in rig.process.terminal(), rig.process.terminal()
        assert seconds < LONGEST_END
        assert not rig.ears.violations
    finally:
        rig.close()


@pytest.mark.parametrize(
    'fault', [each for each in faults_of(KIND) if each.where == TERMINAL], ids=name_of
)
def test_parameter_that_it_cannot_start_with(launch, fault):
    node = launch(fault.inject.parameters)
    assert node.process.wait(60.0) == fault.inject.code
    assert fault.named in node.terminal()
    assert 'Traceback' not in node.terminal(), node.terminal()


@pytest.mark.parametrize(
    'fault', [each for each in faults_of(KIND) if each.where == STATUS], ids=name_of
)
def test_start_that_fails_and_says_so(tmp_path, scene, fault):
    rig = FaultRig('start', scene, tmp_path, **fault.inject.parameters)
    try:
        rig.until_status(fault.named)
        assert rig.process.lives
        assert 'Traceback' not in rig.process.terminal(), rig.process.terminal()
        assert rig.process.stop()[0] == 0
    finally:
        rig.close()
