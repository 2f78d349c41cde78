# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo benchmark --node``: what it says of the whole node."""

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from loftr_vo.cli.benchmark_node import node_table
from loftr_vo.cli.main import main
from loftr_vo.evaluation.timing.process_usage import ProcessUsage
from loftr_vo.ros.node_benchmark import (
    NodeRun,
    draw_latency,
    figures,
    there_and_back,
)

MILLISECOND = 10**6
KEYS = {
    'published',
    'odometries',
    'dropped',
    'network_frames',
    'stamp_to_odom_ms_median',
    'stamp_to_odom_ms_p95',
    'cpu_percent',
    'rss_mib_max',
    'stages_ms',
}


@pytest.fixture
def run():
    """Ten pictures, of which the last two have no odometry; the others took 11 to 18 ms."""
    stamps = [(1 + number) * 100 * MILLISECOND for number in range(10)]
    odometry = [
        SimpleNamespace(stamp=stamp, arrival=stamp + (11 + number) * MILLISECOND)
        for number, stamp in enumerate(stamps[:8])
    ]
    statuses = {
        stamp: {
            'network_frames': str(1 + number // 4),
            'matched_by': 'tracks' if number % 4 else 'network',
            'track_ms': '3.0',
            'wait_ms': '9.0',
            **({} if number % 4 else {'match_ms': '80.0'}),
        }
        for number, stamp in enumerate(stamps[:8])
    }
    return NodeRun(stamps, odometry, statuses, 95.0, 400.0)


def test_figures_are_those_of_the_contract(run):
    found = figures(run)
    assert found.keys() == KEYS
    assert (found['published'], found['odometries'], found['dropped']) == (10, 8, 2)
    assert found['network_frames'] == 2
    assert found['stamp_to_odom_ms_median'] == pytest.approx(14.5)
    assert found['stamp_to_odom_ms_p95'] == pytest.approx(17.65)
    assert found['stages_ms'] == pytest.approx({'track': 3.0, 'match': 20.0})
    assert '8 (2 without)' in node_table(found)


def test_latency_is_drawn_over_time(run, tmp_path):
    picture = tmp_path / 'deep' / 'latency.png'
    draw_latency(run, picture, 'a title')
    assert cv2.imread(str(picture)).shape[1] > 1000
    with pytest.raises(OSError, match=r'\.png'):
        draw_latency(run, tmp_path / 'latency.xyz', '')


def test_a_process_that_works_uses_a_core_and_memory():
    program = 'a = bytearray(60 * 2**20)\nprint(flush=True)\nwhile True: pass'
    with subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            usage = ProcessUsage(process.pid)
            time.sleep(0.5)
            assert 0 < usage.cpu_percent() < 150
            assert 60 < usage.rss_mib_max() < 200
        finally:
            process.kill()


def test_a_process_that_is_not_there_is_unknown():
    usage = ProcessUsage(2**22 + 1)
    assert np.isnan(usage.cpu_percent())
    assert np.isnan(usage.rss_mib_max())


def test_pictures_go_there_and_back():
    going = there_and_back(['a', 'b', 'c'])
    assert [next(going) for _ in range(6)] == ['a', 'b', 'c', 'b', 'a', 'b']


def test_a_recording_is_for_the_node_only(capsys):
    assert main(['benchmark', 'recording']) == 2
    assert 'add --node' in capsys.readouterr().err


@pytest.mark.parametrize('words', [['--rate', '0'], ['--rate', 'fast'], ['--threads', '0']])
def test_bad_arguments_are_refused(words):
    with pytest.raises(SystemExit) as ended:
        main(['benchmark', '--node', *words])
    assert ended.value.code == 2


def test_a_setting_needs_a_value(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'environ', dict(os.environ))
    words = ['--node', '--size', '64x64', '--set', 'matcher.when']
    assert main(['benchmark', *words]) == 2
    assert 'NAME=VALUE' in capsys.readouterr().err


def test_whole_node_is_measured(tmp_path, capsys):
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    file, picture = tmp_path / 'node.json', tmp_path / 'latency.png'
    words = ['--node', '--size', '160x120', '--rate', '5', '--seconds', '3', '--threads', '1']
    words += ['--set', 'matcher.when=every_frame', '--json', str(file), '-o', str(picture)]
    assert main(['benchmark', *words]) == 0
    found = json.loads(file.read_text())
    assert found.keys() == KEYS
    assert found['published'] == 15
    assert 0 < found['odometries'] <= 15
    assert found['network_frames'] >= found['odometries']
    assert found['cpu_percent'] > 0
    assert found['rss_mib_max'] > 50
    assert found['stages_ms']['match'] > 0
    assert 'stamp to odometry, median' in capsys.readouterr().out
    assert picture.exists()
