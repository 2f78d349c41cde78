# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The measurement of the whole node."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from experiments import latency
from loftr_vo.ros.node_process import LiveNodeError

MILLISECOND = 10**6


def heard(count):
    """Return a listener of odometries that took 100 ms each, and 10 ms more with each."""
    stamps = [(1 + number) * 10**9 for number in range(count)]
    odometry = [
        SimpleNamespace(stamp=stamp, arrival=stamp + (103 + 10 * number) * MILLISECOND)
        for number, stamp in enumerate(stamps)
    ]
    statuses = {
        stamp: {
            'wait_ms': '20.0',
            'encode_ms': '10.0',
            'match_ms': '30.0',
            'locate_ms': '2.0',
            'geometry_ms': '3.0',
            'keyframe_ms': '40.0',
            'latency': '70.0',
            'age': f'{100 + 10 * number:.1f}',
        }
        for number, stamp in enumerate(stamps)
    }
    return SimpleNamespace(odometry=odometry, statuses=statuses, last_message='tracking')


def test_latency_is_broken_up_and_the_first_do_not_count():
    found = {share.name: share for share in latency.shares(heard(16))}
    # The first five are warming up: 150 to 250 ms are left.
    np.testing.assert_allclose(found['stamp to odom'].times, 150 + 10 * np.arange(11))
    assert found['stamp to odom'].median == pytest.approx(200)
    assert found['the way to the node'].median == pytest.approx(200 - 70)
    assert found['matcher: network'].median == pytest.approx(40)
    assert found['matcher: sub-pixel places'].median == pytest.approx(2)
    assert found['keyframe, before the next picture'].median == pytest.approx(40)
    assert found['messages'].median == pytest.approx(70 - 20 - 40 - 5)
    overhead = found['overhead: all but waiting and network']
    assert overhead.median == pytest.approx(200 - 20 - 40)
    overhead = found['overhead: all but waiting and matcher']
    assert overhead.median == pytest.approx(200 - 20 - 42)
    assert found['the same without geometry'].median == pytest.approx(200 - 20 - 45)
    assert found['stamp to odom at the listener'].median == pytest.approx(203)


def test_too_few_odometries_are_said():
    with pytest.raises(LiveNodeError, match='only 7 odometries came, 10 are needed'):
        latency.shares(heard(7))


def test_whole_node_is_measured(capsys, tmp_path):
    file = tmp_path / 'figures.json'
    words = ['--size', '160x120', '--frames', '4', '--seconds', '4', '--rate', '5']
    assert latency.main([*words, '--threads', '1', '--json', str(file)]) == 0
    assert 'odometries at 160x120, camera at 5 Hz' in capsys.readouterr().out
    assert 'stamp to odom' in file.read_text()
