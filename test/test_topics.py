# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo topics``: the topics of a bag that replay.launch.py needs."""

import json

import pytest
from recordings import STAMPS, tum_lines, write_bag

from loftr_vo.cli import main
from loftr_vo.datasets.bag_writing import BagOptions
from loftr_vo.datasets.bag_writing import write_bag as write_sequence
from loftr_vo.synthetic.sequence import SyntheticSequence


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


def test_ground_truth_in_a_file_is_printed(tmp_path, capsys):
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


@pytest.fixture(scope='module')
def room(tmp_path_factory):
    """Return a bag with depth, right pictures, an IMU, and two topics of poses."""
    sequence = SyntheticSequence('room', 2, (48, 64), rate=5.0)
    for source in ('depth', 'stereo', 'odometry', 'imu'):
        sequence.provide(source)
    path = tmp_path_factory.mktemp('bags') / 'room'
    write_sequence(sequence, path, BagOptions())
    return path


@pytest.mark.parametrize(
    ('source', 'wanted'),
    [
        ('none', {'image': '/camera/image_raw'}),
        ('camera_height', {'image': '/camera/image_raw'}),
        ('depth', {'depth': '/camera/depth/image_raw', 'depth_transport': 'raw'}),
        (
            'stereo',
            {
                'right_image': '/camera/right/image_raw',
                'right_camera_info': '/camera/right/camera_info',
            },
        ),
        ('odometry', {'scale_odom': '/odom', 'ground_truth_topic': '/ground_truth/odometry'}),
        ('imu', {'imu': '/imu'}),
    ],
)
def test_topics_of_the_scale_are_found_by_type(room, capsys, source, wanted):
    facts = topics(capsys, room, '--scale-source', source)
    assert wanted.items() <= facts.items()


@pytest.mark.parametrize(
    ('source', 'option'),
    [('depth', '--depth-topic'), ('stereo', '--right-image-topic'), ('imu', '--imu-topic')],
)
def test_a_topic_of_the_scale_that_is_missing_is_an_error(tmp_path, room, capsys, source, option):
    bag = write_bag(tmp_path / 'bag')
    assert main.main(['topics', str(bag), '--scale-source', source]) == main.BAD_INPUT
    assert f'which scale.source {source} needs' in capsys.readouterr().err
    words = ['topics', str(room), '--scale-source', source, option, '/nonexistent']
    assert main.main(words) == main.BAD_INPUT
    assert 'no such topic /nonexistent' in capsys.readouterr().err
