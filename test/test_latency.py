# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The measurement of the whole node."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from loftr_vo.live_node import LiveNodeError
from loftr_vo.ros import latency

MILLISECOND = 10**6


def heard(count):
    """Return a listener of odometries that took 100 ms each, and 10 ms more with each."""
    stamps = [(1 + number) * 10**9 for number in range(count)]
    odometry = [
        SimpleNamespace(stamp=stamp, arrival=stamp + (100 + 10 * number) * MILLISECOND)
        for number, stamp in enumerate(stamps)
    ]
    values = {
        'wait_ms': '20.0',
        'encode_ms': '10.0',
        'match_ms': '30.0',
        'geometry_ms': '5.0',
        'latency': '70.0',
    }
    return SimpleNamespace(
        odometry=odometry, statuses={stamp: values for stamp in stamps}, last_message='tracking'
    )


def test_latency_is_broken_up_and_the_first_do_not_count():
    found = {share.name: share for share in latency.shares(heard(16))}
    # The first five are warming up: 150 to 250 ms are left.
    np.testing.assert_allclose(found['stamp to odom'].times, 150 + 10 * np.arange(11))
    assert found['stamp to odom'].median == pytest.approx(200)
    assert found['matcher'].median == 40.0
    assert found['messages in the node'].median == pytest.approx(70 - 20 - 40 - 5)
    assert found['transport'].median == pytest.approx(200 - 70)
    assert found['all but waiting and matcher'].median == pytest.approx(200 - 20 - 40)
    assert found['all but waiting, matcher and geometry'].median == pytest.approx(200 - 20 - 45)


def test_too_few_odometries_are_said():
    with pytest.raises(LiveNodeError, match='only 7 odometries came, 10 are needed'):
        latency.shares(heard(7))


def test_whole_node_is_measured(capsys, tmp_path):
    file = tmp_path / 'figures.json'
    words = ['--size', '160x120', '--frames', '4', '--seconds', '4', '--rate', '5']
    assert latency.main([*words, '--threads', '1', '--json', str(file)]) == 0
    assert 'odometries at 160x120, camera at 5 Hz' in capsys.readouterr().out
    assert 'stamp to odom' in file.read_text()
