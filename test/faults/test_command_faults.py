# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of what the command reads and writes: said in a line, and no traceback."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest
import recordings
from command_faults import KIND
from fault import faults_of, name_of

pytest.importorskip('rclpy', reason='rclpy is not installed')

from node_harness import environment

from experiments.node_listener import pattern

BAD_INPUT = 2
NAMED_WITHIN = 1.0  # seconds of the processor, from the imports on to the end of the process
# A busy machine makes a processor slower, too: of three tries the quickest counts.
_MORE_TRIES = 2
_LONGEST_TEXT = 2000  # characters on the terminal
SERVER = Path(__file__).with_name('command_server.py')


class Commands:
    """Runs the command in processes of their own."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
        )

    def run(self, words, folder):
        """Return exit code, seconds and text of one run."""
        request = json.dumps({'words': words, 'folder': str(folder)})
        self._server.stdin.write(request + '\n')
        self._server.stdin.flush()
        answer = json.loads(self._server.stdout.readline())
        return answer['code'], answer['seconds'], answer['text']

    def close(self):
        self._server.stdin.close()
        self._server.wait(60.0)


@pytest.fixture(scope='module')
def commands():
    result = Commands()
    yield result
    result.close()


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    """Return a folder with recordings and pictures that nothing is wrong with."""
    folder = tmp_path_factory.mktemp('good')
    recordings.write_folder(folder / 'walk')
    recordings.write_bag(folder / 'bag')
    (folder / 'truth.txt').write_text(recordings.tum_lines())
    (folder / 'film').mkdir()
    recordings.write_video(folder / 'film' / 'film.avi')
    first, second = recordings.pictures()[:2]
    for name, picture in (('a', first), ('b', second), ('m\udcff', second)):
        (folder / f'{name}.png').write_bytes(cv2.imencode('.png', picture)[1].tobytes())
    weights = resources.files('loftr_vo') / 'weights' / 'compact.pt'
    (folder / 'weights.ckpt').write_bytes(weights.read_bytes())
    return folder


def put_good(good, folder):
    """Make a folder what the good one is."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)


def assert_finite(folder):
    """No trajectory that was written holds NaN or infinity."""
    for path in folder.glob('**/trajectory*.txt'):
        rows = np.loadtxt(path, ndmin=2)
        assert np.isfinite(rows).all(), path


@pytest.mark.parametrize('fault', faults_of(KIND), ids=name_of)
def test_fault_of_the_command(commands, good, tmp_path, fault):
    folder = tmp_path / 'work'
    put_good(good, folder)
    fault.inject(folder)
    code, seconds, text = commands.run(fault.inject.words, folder)
    assert code == BAD_INPUT, (code, text)
    assert 'loftr_vo: error: ' in text, text
    assert re.search(pattern(fault.named), text), text
    assert 'Traceback' not in text, text
    assert len(text) <= _LONGEST_TEXT, text[:3000]
    for _ in range(_MORE_TRIES):
        if seconds <= NAMED_WITHIN:
            break
        seconds = min(seconds, commands.run(fault.inject.words, folder)[1])
    assert seconds <= NAMED_WITHIN
    assert_finite(folder)

    put_good(good, folder)
    code, _, text = commands.run(fault.inject.good, folder)
    assert code == 0, text
    assert 'Traceback' not in text, text
    assert_finite(folder)


def test_output_goes_nowhere_that_was_not_named(commands, good, tmp_path):
    put_good(good, tmp_path / 'work')
    inside = tmp_path / 'work' / 'walk' / 'images'
    before = sorted(os.listdir(inside)), sorted(os.listdir(inside.parent))
    commands.run(['run', '..', '--weights', 'random:compact'], inside)
    new = set(os.listdir(inside)) - set(before[0])
    assert new <= {'results'}, new
    assert sorted(os.listdir(inside.parent)) == before[1]
