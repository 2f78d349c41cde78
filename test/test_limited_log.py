# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""However many messages come, and whatever is in them, the log does not run over."""

import pytest

from loftr_vo.files.text import printable, quoted

pytest.importorskip('rclpy', reason='rclpy is not installed')

from loftr_vo.ros.limited_log import LimitedLog


class Lines:
    """A logger that keeps what it is told."""

    def __init__(self):
        self.lines = []
        self.info = self.warning = self.error = self.lines.append


class Clock:
    """A clock that stands still unless it is set."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def logger():
    return Lines()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(logger, clock):
    return LimitedLog(logger, clock)


def test_one_kind_is_logged_once_whatever_it_says(log, logger):
    for number in range(1000):
        log.error('picture', f'picture {number}')
    assert logger.lines == ['picture 0']


def test_kinds_do_not_hide_each_other(log, logger):
    log.error('picture', 'a')
    log.warning('stamp', 'b')
    log.info('camera', 'c')
    assert logger.lines == ['a', 'b', 'c']


def test_what_goes_on_is_said_again_ever_more_seldom_with_its_count(log, logger, clock):
    hour = 3600
    for second in range(hour):
        clock.now = float(second)
        log.error('picture', f'at {second}')
    assert logger.lines[:4] == [
        'at 0',
        'at 5 (4 more like it since the last)',
        'at 15 (9 more like it since the last)',
        'at 35 (19 more like it since the last)',
    ]
    assert len(logger.lines) < 20


def test_what_comes_again_after_long_is_new(log, logger, clock):
    log.error('picture', 'first')
    clock.now = 1000.0
    log.error('picture', 'second')
    assert logger.lines == ['first', 'second']


def test_kinds_made_by_others_do_not_fill_the_memory(log):
    for number in range(10_000):
        log.error(f'kind {number}', '')
    assert len(log._kinds) <= 100


def test_foreign_text_is_cut_and_escaped(log, logger):
    log.error('picture', 'x' * 100_000 + '\x1b[31m')
    assert len(logger.lines[0]) < 5000
    log.error('other', 'red \x1b[31m, bell \a, right-to-left \u202e, line\nnext')
    assert logger.lines[1] == 'red \\x1b[31m, bell \\x07, right-to-left \\u202e, line\nnext'


def test_quoted_text_is_on_one_line_and_short():
    assert quoted('mono8') == "'mono8'"
    assert quoted('a\nb') == "'a\\nb'"
    long = quoted('e' * 100_000)
    assert long.endswith('... (100000 characters)')
    assert len(long) < 120
    assert printable('fine') == 'fine'
