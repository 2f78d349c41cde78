# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are written whole or not at all."""

import contextlib
import os
import resource
import stat
import threading

import pytest

from loftr_vo.files.output_files import (
    OutputError,
    check_folder,
    check_writable,
    inside,
    replacing,
    write_bytes,
    write_text,
)


@contextlib.contextmanager
def small_files():
    """Let no file grow beyond 4096 bytes: what a full disk does, for one process.

    Not a fixture: pytest itself may be writing to a longer file.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_replaces(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'a.txt'
    write_text(path, 'one')
    write_text(path, 'two')
    assert path.read_text() == 'two'
    assert names_in(path.parent) == ['a.txt']


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / 'a.bin'
    write_bytes(path, b'old')
    with small_files(), pytest.raises(OutputError, match=r'cannot write .*a\.bin: '):
        write_bytes(path, bytes(100_000))
    assert path.read_bytes() == b'old'
    assert names_in(tmp_path) == ['a.bin']


def test_a_full_disk_leaves_no_part_of_a_new_file(tmp_path):
    with small_files(), pytest.raises(OutputError):
        write_bytes(tmp_path / 'a.bin', bytes(100_000))
    assert names_in(tmp_path) == []


@pytest.mark.parametrize('error', [RuntimeError('the writer fails'), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_the_old_file(tmp_path, error):
    path = tmp_path / 'a.txt'
    write_text(path, 'old')
    with pytest.raises(type(error)), replacing(path) as file:
        file.write(b'half')
        raise error
    assert path.read_text() == 'old'
    assert names_in(tmp_path) == ['a.txt']


def test_a_reader_never_sees_a_part(tmp_path):
    path = tmp_path / 'a.txt'
    write_bytes(path, b'old')
    with replacing(path) as file:
        file.write(b'new')
        file.flush()
        assert path.read_bytes() == b'old'
    assert path.read_bytes() == b'new'


def make_fifo(path):
    os.mkfifo(path)


def make_folder(path):
    path.mkdir()


def make_link_to_a_device(path):
    path.symlink_to('/dev/full')


@pytest.mark.parametrize('make', [make_fifo, make_folder, make_link_to_a_device])
@pytest.mark.parametrize('write', [check_writable, lambda path: write_text(path, 'text')])
def test_what_is_no_regular_file_is_refused(tmp_path, make, write):
    path = tmp_path / 'a'
    make(path)
    before = os.lstat(path)
    outcome = []

    def attempt():
        with pytest.raises(OutputError, match=r'it is (a folder|not a regular file)'):
            write(path)
        outcome.append(True)

    # Opening a FIFO would wait for ever.
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(10)
    assert outcome
    assert os.lstat(path).st_ino == before.st_ino
    assert names_in(tmp_path) == ['a']


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / 'real.txt').write_text('old')
    (tmp_path / 'link.txt').symlink_to('real.txt')
    write_text(tmp_path / 'link.txt', 'new')
    assert (tmp_path / 'link.txt').is_symlink()
    assert (tmp_path / 'real.txt').read_text() == 'new'


def test_permissions_are_those_of_any_new_file_or_of_the_old_one(tmp_path):
    (tmp_path / 'plain').write_text('')
    write_text(tmp_path / 'a', '')
    plain, written = ((tmp_path / name).stat().st_mode for name in ('plain', 'a'))
    assert written == plain
    os.chmod(tmp_path / 'a', 0o640)
    write_text(tmp_path / 'a', 'again')
    assert stat.S_IMODE((tmp_path / 'a').stat().st_mode) == 0o640


def test_a_name_of_the_greatest_length(tmp_path):
    path = tmp_path / ('n' * 255)
    write_text(path, 'text')
    assert path.read_text() == 'text'
    with pytest.raises(OutputError, match='too long'):
        write_text(tmp_path / ('n' * 256), 'text')
    with pytest.raises(OutputError, match='too long'):
        check_writable(tmp_path / ('n' * 256) / 'a.txt')


def test_text_with_what_utf_8_has_not(tmp_path):
    write_text(tmp_path / 'a.txt', 'm\udcff')
    assert (tmp_path / 'a.txt').read_bytes() == b'm\\udcff'


def test_checking_leaves_nothing_behind(tmp_path):
    (tmp_path / 'old.txt').write_text('old')
    check_writable(tmp_path / 'old.txt')
    check_writable(tmp_path / 'new.txt')
    check_writable(tmp_path / 'no' / 'such' / 'folder' / 'new.txt')
    check_folder(tmp_path / 'no' / 'such' / 'folder')
    assert names_in(tmp_path) == ['old.txt']
    assert (tmp_path / 'old.txt').read_text() == 'old'


def test_what_cannot_be_written_is_found_by_checking(tmp_path):
    (tmp_path / 'file').write_text('')
    for path in (tmp_path / 'file' / 'a.txt', '/proc/a.txt', tmp_path / 'a\0b'):
        with pytest.raises(OutputError, match='cannot write'):
            check_writable(path)
        with pytest.raises(OutputError, match='cannot write'):
            write_text(path, '')
    with pytest.raises(OutputError, match='cannot write'):
        check_folder(tmp_path / 'file')


@pytest.mark.parametrize('name', ['a.txt', 'deeper/a.txt', './a.txt'])
def test_names_in_a_folder(tmp_path, name):
    assert inside(tmp_path, name) == (tmp_path / name).resolve()
    assert inside(tmp_path, tmp_path / name) == (tmp_path / name).resolve()


@pytest.mark.parametrize(
    'name',
    ['', '.', '..', '../a.txt', 'deeper/../../a.txt', 'deeper/../a.txt', '/etc/passwd', 'a\0b'],
)
def test_names_outside_of_a_folder(tmp_path, name):
    with pytest.raises(OutputError):
        inside(tmp_path, name)


def test_links_that_lead_out_of_a_folder(tmp_path):
    folder = tmp_path / 'folder'
    folder.mkdir()
    (tmp_path / 'secret.txt').write_text('')
    (folder / 'link.txt').symlink_to(tmp_path / 'secret.txt')
    (folder / 'linked').symlink_to(tmp_path)
    (folder / 'loop').symlink_to('loop')
    (folder / 'within.txt').symlink_to('a.txt')
    for name in ('link.txt', 'linked/a.txt', 'loop/a.txt'):
        with pytest.raises(OutputError):
            inside(folder, name)
    assert inside(folder, 'within.txt') == folder / 'a.txt'


def test_a_folder_that_is_a_link_itself(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'link').symlink_to('real')
    assert inside(tmp_path / 'link', 'a.txt') == tmp_path / 'real' / 'a.txt'
