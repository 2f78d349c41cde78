# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo topics`` tells what replay.launch.py must know of a bag."""

import json

import pytest
from recordings import STAMPS, tum_lines, write_bag

from loftr_vo.cli import main


def topics(capsys, *words):
    assert main.main(['topics', *map(str, words), '--json']) == 0
    return json.loads(capsys.readouterr().out)


def test_camera_topics_are_found_by_type(tmp_path, capsys):
    facts = topics(capsys, write_bag(tmp_path / 'bag'))
    assert facts['image'] == '/camera/image_raw'
    assert facts['image_transport'] == 'raw'
    assert facts['camera_info'] == '/camera/camera_info'
    assert facts['frames'] == len(STAMPS)
    assert facts['ground_truth'] is None
    assert '--ground-truth' in facts['no_ground_truth']


def test_compressed_topics_are_named_without_their_ending(tmp_path, capsys):
    bag = write_bag(tmp_path / 'bag', topics=('/front/image_raw/compressed',))
    facts = topics(capsys, bag)
    assert (facts['image'], facts['image_transport']) == ('/front/image_raw', 'compressed')


def test_ground_truth_in_a_file_is_told(tmp_path, capsys):
    truth = tmp_path / 'truth.txt'
    truth.write_text(tum_lines())
    facts = topics(capsys, write_bag(tmp_path / 'bag'), '--ground-truth', truth)
    assert facts['ground_truth'] == str(truth)


def test_several_cameras_are_asked_for(tmp_path, capsys):
    bag = write_bag(tmp_path / 'bag', topics=('/left/image_raw', '/right/image_raw'))
    assert main.main(['topics', str(bag)]) == main.BAD_INPUT
    assert 'choose one with --image-topic' in capsys.readouterr().err
    assert topics(capsys, bag, '--image-topic', '/right/image_raw')['image'] == '/right/image_raw'


@pytest.mark.parametrize('name', ['absent', 'picture.png'])
def test_what_is_no_bag_is_refused(tmp_path, capsys, name):
    (tmp_path / 'picture.png').write_bytes(b'no bag')
    assert main.main(['topics', str(tmp_path / name)]) == main.BAD_INPUT
    assert 'no bag' in capsys.readouterr().err


def test_words_for_people(tmp_path, capsys):
    assert main.main(['topics', str(write_bag(tmp_path / 'bag'))]) == 0
    assert 'camera info     /camera/camera_info' in capsys.readouterr().out
