# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What is freed is kept for the next frame, and given back when it becomes much."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='only glibc is told what to keep'
)

MIB = 1 << 20
# In a process of its own: what this one has freed before would be counted too.
ALLOCATE = """
import numpy as np
from loftr_vo.host_memory import HostMemory, resident_memory

memory = HostMemory(growth=64 << 20)
assert not memory.give_back_holes()
before = resident_memory()
blocks = [np.ones(MIB, np.uint8) for _ in range(COUNT)]
last = np.ones(MIB, np.uint8)  # nothing beneath it is at the heap's end
del blocks
print(resident_memory() - before, memory.give_back_holes(), resident_memory() - before)
""".replace('MIB', str(MIB))


def after_freeing(count):
    run = subprocess.run(
        [sys.executable, '-c', ALLOCATE.replace('COUNT', str(count))],
        capture_output=True,
        text=True,
        check=True,
    )
    kept, given_back, left = run.stdout.split()
    return int(kept), given_back == 'True', int(left)


def test_little_is_kept():
    kept, given_back, left = after_freeing(40)
    assert not given_back
    assert left >= kept > 35 * MIB


def test_much_is_given_back():
    kept, given_back, left = after_freeing(200)
    assert kept > 150 * MIB
    assert given_back
    assert left < 20 * MIB
