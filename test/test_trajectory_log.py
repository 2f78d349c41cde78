# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A trajectory that grows for days in bounded memory."""

import subprocess
import sys

import numpy as np
import pytest
from exact_world import pose

from loftr_vo.geometry.trajectory_log import TrajectoryLog

DAY = 24 * 3600 * 30  # pictures at 30 Hz
START = 1_700_000_000_000_000_001


def test_an_empty_one_has_no_poses():
    assert len(TrajectoryLog(10)) == 0
    assert len(TrajectoryLog(10).trajectory()) == 0


@pytest.mark.parametrize('count', [1, 4096, 4097, 9000])
def test_it_gives_back_what_it_was_given(count):
    log = TrajectoryLog(100_000)
    poses = [pose((1e4 + 1e-7 * i, -i, 3.0), (i, 20, -10)) for i in range(count)]
    for index, each in enumerate(poses):
        log.append(START + index, each)
    kept = log.trajectory()
    assert len(log) == len(kept) == count
    np.testing.assert_array_equal(kept.stamps, START + np.arange(count))
    # Not a bit of the positions is lost, and of the rotations no more than rounding.
    np.testing.assert_array_equal(kept.positions, [each[:3, 3] for each in poses])
    np.testing.assert_allclose(kept.poses, poses, atol=1e-15)


def test_the_oldest_give_way():
    log = TrajectoryLog(5000)
    for index in range(20_000):
        log.append(START + index, np.eye(4))
        assert len(log) == min(index + 1, 5000)
    np.testing.assert_array_equal(log.trajectory().stamps, START + np.arange(15_000, 20_000))


def test_what_was_read_stays_as_it_was():
    log = TrajectoryLog(10)
    log.append(1, np.eye(4))
    before = log.trajectory()
    log.append(2, pose((1, 2, 3)))
    assert list(before.stamps) == [1]


# Runs in a process of its own: in this one other tests' memory is given back meanwhile.
GROWTH = f"""
import numpy as np
from pathlib import Path
from loftr_vo.geometry import trajectory_log

def resident():
    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096

# Turning a matrix into a quaternion takes the most time of it, and no memory that stays.
trajectory_log.quaternion = lambda _: (0.0, 0.0, 0.0, 1.0)
there = np.eye(4)
log = trajectory_log.TrajectoryLog({DAY})
before = resident()
for index in range({DAY}):
    log.append({START} + index, there)
print(len(log), resident() - before)
for index in range({DAY}, {DAY} + 50_000):
    log.append({START} + index, there)
print(len(log), resident() - before)
"""


def test_a_day_is_at_most_200_mebibytes():
    """And what comes after it takes no more."""
    done = subprocess.run(
        [sys.executable, '-c', GROWTH], capture_output=True, text=True, check=True
    )
    (kept, day), (kept_later, later) = (
        (int(word) for word in line.split()) for line in done.stdout.splitlines()
    )
    assert kept == kept_later == DAY
    assert 100 * 2**20 < day < 200 * 2**20
    assert later < day + 2**20
