# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

import os
import sys

# Before torch is imported, and for the processes that tests start: one thread each. On a machine
# with few cores more of them wait for each other, and sums in another order round otherwise.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import cv2
import pytest
import torch
from paths import ROOT

if not torch.cuda.is_available():
    # Before triton is imported: its kernels then run on the CPU, one instruction at a time.
    os.environ.setdefault('TRITON_INTERPRET', '1')


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture(scope='session', autouse=True)
def stages_painted_once():
    from painted_stages import painted_once

    with painted_once():
        yield


@pytest.fixture(scope='module')
def world():
    from exact_world import World

    return World()


@pytest.fixture(scope='module')
def elsewhere():
    from exact_world import World

    return World(seed=7)


def file_of(item):
    return item.path.relative_to(ROOT / 'test').as_posix()


def mark_slow(items):
    """Mark the tests that ``slow_tests.txt`` lists: files, or single tests of a file."""
    lines = (ROOT / 'test' / 'slow_tests.txt').read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith('#')}
    for item in items:
        file = file_of(item)
        if listed & {file, f'{file}::{getattr(item, "originalname", item.name)}'}:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep the tests of a file in one worker: modules share rendered recordings and rclpy."""
    from schedule import FileScheduling

    return FileScheduling(config, log) if config.getvalue('dist') == 'load' else None


def pytest_collection_modifyitems(config, items):
    mark_slow(items)
    if config.pluginmanager.has_plugin('xdist'):
        from schedule import place_of

        items.sort(key=lambda item: place_of(file_of(item)))
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason='there is no CUDA device')
    for item in items:
        if 'gpu' in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def start_node(tmp_path):
    """Return a function that starts the node as a process; see ``NodeProcess``."""
    from node_harness import NodeProcess

    processes = []

    def start(**options):
        processes.append(NodeProcess(tmp_path / f'node{len(processes)}.log', **options))
        return processes[-1]

    yield start
    for process in processes:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()


@pytest.fixture
def make_listener():
    """Return a function that makes ears and a camera; see ``Listener``."""
    from node_harness import Listener

    listeners = []

    def make(**options):
        listeners.append(Listener(**options))
        return listeners[-1]

    yield make
    for listener in listeners:
        listener.node.destroy_node()


@pytest.fixture
def transforms(monkeypatch):
    """Put a TF of known content in the place of tf2_ros; return what is sent to it."""
    from stand_in_tf import stand_in

    module, content = stand_in()
    monkeypatch.setitem(sys.modules, 'tf2_ros', module)
    return content
