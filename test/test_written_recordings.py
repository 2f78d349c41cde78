# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings that the command writes, where a disk or a signal comes in its way."""

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import recordings

from loftr_vo.cli import main
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.datasets.bag_writing import BagOptions, write_bag
from loftr_vo.datasets.writing import write_sequence
from loftr_vo.files.output_files import OutputError, new_folder
from loftr_vo.files.output_pictures import write_picture


@pytest.fixture
def sequence(tmp_path):
    return open_sequence(recordings.write_folder(tmp_path / 'walk'))


@contextlib.contextmanager
def small_files():
    """Let no file grow beyond 1024 bytes: what a full disk does, for one process.

    Not a fixture: pytest itself may be writing to a longer file.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def first(count):
    """Let a sequence fail after so many frames, as where a disk fills."""

    def progress(frames):
        for index, frame in enumerate(frames):
            if index == count:
                raise OutputError('the disk is full')
            yield frame

    return progress


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_is_written_whole_or_not_at_all(sequence, tmp_path, storage):
    with small_files(), pytest.raises(OutputError, match=r'cannot write .*bag'):
        write_bag(sequence, tmp_path / 'bag', BagOptions(storage=storage))
    assert os.listdir(tmp_path) == ['walk']


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_no_bag_is_seen_before_it_is_complete(sequence, tmp_path, storage):
    def progress(frames):
        for frame in frames:
            assert not (tmp_path / 'bag').exists()
            yield frame

    write_bag(sequence, tmp_path / 'bag', BagOptions(storage=storage), progress)
    assert sorted(os.listdir(tmp_path)) == ['bag', 'walk']
    assert len(open_sequence(tmp_path / 'bag')) == len(sequence)


def test_a_folder_that_ends_early_can_be_read_as_far(sequence, tmp_path):
    with pytest.raises(OutputError):
        write_sequence(sequence, tmp_path / 'copy', first(3))
    copy = open_sequence(tmp_path / 'copy')
    assert [frame.stamp for frame in copy] == recordings.STAMPS[:3]
    assert copy.ground_truth is not None


def test_a_full_disk_leaves_no_half_of_a_picture(sequence, tmp_path):
    with small_files(), pytest.raises(OutputError, match=r'cannot write .*000000\.png'):
        write_sequence(sequence, tmp_path / 'copy')
    assert os.listdir(tmp_path / 'copy' / 'images') == []


def test_a_new_folder_replaces_nothing(tmp_path):
    (tmp_path / 'a').write_text('precious')
    with pytest.raises(OutputError, match='is there already'), new_folder(tmp_path / 'a'):
        pass
    with pytest.raises(DatasetError, match='is there already'):
        write_bag(None, tmp_path / 'a', BagOptions())
    assert os.listdir(tmp_path) == ['a']


@pytest.mark.parametrize('command', ['render', 'record'])
def test_an_unwritable_folder_is_an_error_before_the_first_frame(tmp_path, capsys, command):
    (tmp_path / 'file').write_text('')
    words = [command, 'room', '--frames', '10', '-o', str(tmp_path / 'file' / 'below')]
    assert main.main(words) == 2
    assert 'cannot write' in capsys.readouterr().err


@pytest.mark.parametrize('command', ['match', 'benchmark', 'score'])
def test_other_commands_look_first_where_they_write(tmp_path, capsys, command):
    picture = str(recordings.write_folder(tmp_path / 'walk') / 'images' / 'frame8.png')
    truth = str(tmp_path / 'walk' / 'groundtruth.txt')
    words = {
        'match': [picture, picture],
        'benchmark': [],
        'score': [truth, '--ground-truth', truth],
    }[command]
    assert main.main([command, *words, '--json', str(tmp_path / 'walk')]) == 2
    said = capsys.readouterr()
    assert 'it is a folder' in said.err
    assert said.out == ''


@pytest.mark.parametrize('command', ['match', 'benchmark'])
@pytest.mark.parametrize('name', ['a.doc', 'none'])
def test_a_picture_of_no_known_kind_is_an_error_first(tmp_path, capsys, command, name):
    picture = str(recordings.write_folder(tmp_path / 'walk') / 'images' / 'frame8.png')
    words = [picture, picture] if command == 'match' else []
    assert main.main([command, *words, '-o', str(tmp_path / name)]) == 2
    assert 'name a .png' in capsys.readouterr().err


def test_a_picture_whose_name_is_not_utf_8_is_written(tmp_path):
    path = tmp_path / 'm\udcff.png'
    write_picture(path, np.zeros((4, 4), np.uint8))
    assert path.read_bytes().startswith(b'\x89PNG')
    for name in ('m.p\udcff', 'm\udcff'):
        with pytest.raises(OutputError, match=r'name a \.png'):
            write_picture(tmp_path / name, np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize(
    ('command', 'number', 'code'),
    [('render', signal.SIGTERM, 143), ('record', signal.SIGINT, 130)],
)
def test_a_signal_leaves_what_was_written_in_good_order(tmp_path, command, number, code):
    output = tmp_path / 'out'
    words = [command, 'room', '--frames', '3000', '--size', '64x48', '-o', str(output)]
    command = [sys.executable, '-m', 'loftr_vo.cli', *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    # The bar of frames, whose lines do not end.
    said = b''
    while not re.search(rb'[1-9]\d*/3000', said):
        more = os.read(process.stderr.fileno(), 4096)
        assert more, said
        said += more
    process.send_signal(number)
    error = process.communicate(timeout=120)[1].decode()
    assert process.returncode == code
    assert 'Traceback' not in error
    assert 'interrupted after' in error
    count = len(open_sequence(output))
    assert f'interrupted after {count} frames' in error
    assert sorted(os.listdir(tmp_path)) == ['out']
