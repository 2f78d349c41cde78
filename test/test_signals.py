# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM while an executable is still starting: the end, clean, with 0."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from node_harness import environment
from ros_domain import isolate

NUMBERS = [signal.SIGINT, signal.SIGTERM]
WORDS = {
    'vo_node': [],
    'vo_camera': [],
    'vo_recorder': ['bag', '--frames', '3'],
    'vo_when_active': ['nobody', '60', 'true'],
}


@pytest.fixture(autouse=True)
def domain():
    isolate()


@pytest.fixture
def start(tmp_path):
    processes = []

    def run(name):
        command = [sys.executable, '-m', 'loftr_vo.ros.executables', name, *WORDS[name]]
        with (tmp_path / 'log').open('w') as log:
            processes.append(
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment(),
                    cwd=tmp_path,
                    start_new_session=True,
                )
            )
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()


def until_signals_are_minded(process):
    """Wait for the first line of main: from there on SIGTERM is caught."""
    deadline = time.monotonic() + 30.0
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        for line in Path(f'/proc/{process.pid}/status').read_text().splitlines():
            name, _, value = line.partition(':')
            if name == 'SigCgt' and int(value, 16) >> (signal.SIGTERM - 1) & 1:
                return
        time.sleep(0.005)


def assert_ends_cleanly(process, number, log):
    process.send_signal(number)
    code = process.wait(20.0)
    text = log.read_text()
    assert code == 0, text
    assert 'Traceback' not in text
    assert 'rror' not in text


# What is under way by then: the first imports, numpy, messages, ROS, the node, the network.
@pytest.mark.parametrize('delay', [0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.5])
@pytest.mark.parametrize('number', NUMBERS)
def test_the_node_ends_cleanly_whenever_it_is_told(start, tmp_path, number, delay):
    process = start('vo_node')
    until_signals_are_minded(process)
    time.sleep(delay)
    assert_ends_cleanly(process, number, tmp_path / 'log')


@pytest.mark.parametrize('delay', [0.0, 0.5, 2.0])
@pytest.mark.parametrize('name', ['vo_camera', 'vo_recorder', 'vo_when_active'])
def test_the_others_end_cleanly_too(start, tmp_path, name, delay):
    process = start(name)
    until_signals_are_minded(process)
    time.sleep(delay)
    assert_ends_cleanly(process, signal.SIGTERM, tmp_path / 'log')


def test_an_unknown_executable_is_refused():
    done = subprocess.run(
        [sys.executable, '-m', 'loftr_vo.ros.executables', 'vo_other'],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 2
    assert 'vo_node' in done.stderr
