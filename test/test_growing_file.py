# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A file that grows line by line."""

import os
import resource

import pytest

from loftr_vo.files.growing_file import GrowingFile
from loftr_vo.files.output_files import OutputError


def test_every_line_is_there_at_once(tmp_path):
    with GrowingFile(tmp_path / 'new' / 'a.txt', '# header') as file:
        assert not (tmp_path / 'new').exists()
        file.add('one')
        assert file.unfinished.read_text() == '# header\none\n'
        assert not file.path.exists()
        file.add('two')
        file.finish()
        assert file.path.read_text() == '# header\none\ntwo\n'
        assert [path.name for path in file.path.parent.iterdir()] == ['a.txt']


def test_without_a_line_it_is_the_header_alone(tmp_path):
    with GrowingFile(tmp_path / 'a.txt', '# header') as file:
        file.finish()
    assert (tmp_path / 'a.txt').read_text() == '# header\n'


def test_what_is_not_finished_stays_beside_the_earlier_file(tmp_path):
    (tmp_path / 'a.txt').write_text('earlier')
    with pytest.raises(KeyboardInterrupt), GrowingFile(tmp_path / 'a.txt') as file:
        file.add('one')
        raise KeyboardInterrupt
    assert (tmp_path / 'a.txt').read_text() == 'earlier'
    assert (tmp_path / 'a.txt.part').read_text() == 'one\n'


def test_a_full_disk_keeps_whole_lines_and_is_reported_at_the_end(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with GrowingFile(tmp_path / 'a.txt') as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            for number in range(1000):
                file.add(f'line {number}')
            with pytest.raises(OutputError, match=r'cannot write .*a\.txt\.part: '):
                file.finish()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    lines = file.unfinished.read_text().split('\n')
    assert lines[-1] == ''
    assert lines[:-1] == [f'line {number}' for number in range(len(lines) - 1)]
    assert len(lines) > 300
    assert not file.path.exists()


def test_what_cannot_be_written_is_an_error_before_the_first_line(tmp_path):
    os.mkfifo(tmp_path / 'fifo')
    os.mkfifo(tmp_path / 'b.txt.part')
    for name in ('fifo', 'b.txt'):
        with pytest.raises(OutputError, match='not a regular file'):
            GrowingFile(tmp_path / name)


def test_a_link_to_a_file_stays_one(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'a.txt').symlink_to(tmp_path / 'real' / 'b.txt')
    with GrowingFile(tmp_path / 'a.txt') as file:
        file.add('one')
        file.finish()
    assert (tmp_path / 'a.txt').is_symlink()
    assert (tmp_path / 'real' / 'b.txt').read_text() == 'one\n'
