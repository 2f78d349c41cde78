# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Memory does not grow with the pictures, and only programs of ours set how it is kept."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from loftr_vo.matching.cpu_memory import resident_memory

ON_GLIBC = pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='only glibc is told what to keep'
)
FRAMES, TENTHS, WARM = 150, 10, 4
# MiB; measured: 453 to 507 once loaded, renderer included, at most 520, and 2 of growth.
LOADED, GROWTH, MOST = 600, 30, 650

ASK = """
import ctypes
calls = []

class Library:
    @staticmethod
    def mallopt(number, value):
        calls.append(number)
        return 1

real, ctypes.CDLL = ctypes.CDLL, lambda name, *more, **others: (
    Library if name is None else real(name, *more, **others)
)
{statement}
print(sorted(calls))
"""


def clean_environment(**more):
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith('MALLOC_') and name != 'GLIBC_TUNABLES'
    } | more


def told(statement, **environment):
    """Return the numbers of what ``mallopt`` was told by a process that does this."""
    done = subprocess.run(
        [sys.executable, '-c', ASK.format(statement=statement)],
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


SET = 'from loftr_vo.matching.cpu_memory import keep_memory_between_frames as keep; keep()'


def test_a_program_says_what_to_keep():
    assert told(SET) == '[-8, -3, -1]'


@pytest.mark.parametrize(
    'given', [{'MALLOC_ARENA_MAX': '4'}, {'GLIBC_TUNABLES': 'glibc.malloc.arena_max=4'}]
)
def test_what_the_user_has_set_is_left(given):
    assert told(SET, **given) == '[]'


def test_other_tunables_are_no_choice_of_memory():
    assert told(SET, GLIBC_TUNABLES='glibc.pthread.rseq=0') == '[-8, -3, -1]'


def test_a_library_says_nothing():
    statement = """
from loftr_vo.config import MatcherSettings
from loftr_vo.matching.matcher import Matcher
Matcher(MatcherSettings(device='cpu'))
"""
    assert told(statement) == '[]'


def test_the_command_says_it_before_anything_else():
    statement = """
import contextlib
from loftr_vo.cli.main import main
with contextlib.suppress(SystemExit):
    main(['--help'])
"""
    assert told(statement) == '[-8, -3, -1]'


def test_the_node_says_it_before_ros_starts():
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    statement = """
from loftr_vo.ros import node

class Stop(Exception):
    pass

def stop(**_):
    raise Stop

node.rclpy.init = stop
try:
    node.main()
except Stop:
    pass
"""
    assert told(statement) == '[-8, -3, -1]'


def test_resident_memory_is_measured():
    memory = resident_memory()
    if memory is None:
        pytest.skip('there is no /proc here')
    assert 10 << 20 < memory < 1 << 40


@ON_GLIBC
def test_holes_in_the_heap_are_returned():
    statement = """
from loftr_vo.matching.cpu_memory import (
    keep_memory_between_frames, resident_memory, return_unused_memory
)
keep_memory_between_frames()
blocks = [b'x' * (1 << 20) for _ in range(128)]
blocks[:] = blocks[-1:]  # what is in use lies at the end
before = resident_memory()
return_unused_memory()
print(before - resident_memory() >> 20)
"""
    done = subprocess.run(
        [sys.executable, '-c', statement],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) > 100


def test_the_node_returns_them_once_a_minute(monkeypatch):
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from loftr_vo.ros import worker

    now, returned = [0.0], []
    monkeypatch.setattr(worker.time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(worker, 'return_unused_memory', lambda: returned.append(now[0]))
    made = worker.Worker(*[None] * 9)
    for now[0] in range(0, 150, 10):
        made._return_memory()
    assert returned == [70, 140]


@ON_GLIBC
def test_memory_stays_after_warming_up():
    """Of pictures of 320x240, whose keyframes change and whose numbers of matches differ."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / 'memory_run.py'), str(FRAMES)],
        env=clean_environment(OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, *after = (int(line) for line in done.stdout.split())
    assert len(after) == TENTHS
    assert loaded < LOADED
    assert max(after) - after[WARM] < GROWTH, after
    assert max(after) < MOST, after
