# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are no files, hold more than they look like, or have names that are no text."""

import json
import os
import resource
import shutil
import signal
import struct
import tracemalloc
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import recordings
import yaml

from loftr_vo.cli import main
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.datasets.bag_path import BagPath
from loftr_vo.evaluation import engine
from loftr_vo.files.errors import InputError
from loftr_vo.files.limited_yaml import parse_yaml
from loftr_vo.geometry.trajectory import Trajectory, TrajectoryError, parse_seconds
from loftr_vo.imaging import image_decoding
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.image_messages import ImageError, PictureReader
from loftr_vo.loftr.weights import WeightsError, load_weights
from loftr_vo.odometry.estimate import Estimate, State

NOT_TEXT = os.fsdecode(b'm\xff')


@pytest.fixture
def folder(tmp_path):
    return recordings.write_folder(tmp_path / 'walk')


@pytest.fixture
def no_hang():
    """End a test that waits for what never comes."""

    def give_up(*_):
        raise AssertionError('it hangs')

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refused(capsys, *words):
    assert main.main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert 'Traceback' not in error
    return error.split('error: ')[1]


# --- no files


def fifo(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to('/dev/zero')


def socket_like_folder(path):
    path.mkdir()


KINDS = [(fifo, 'a FIFO'), (device, 'a device'), (socket_like_folder, 'a folder')]


@pytest.mark.usefixtures('no_hang')
@pytest.mark.parametrize(('make', 'what'), KINDS)
@pytest.mark.parametrize(
    'name', ['camera.yaml', 'times.txt', 'groundtruth.txt', 'images/frame9.png']
)
def test_a_folder_with_what_is_no_file(folder, capsys, name, make, what):
    (folder / name).unlink()
    make(folder / name)
    error = refused(capsys, 'evaluate', folder, '--baseline', 'lk')
    assert f'{folder / name}: it is {what}, not a regular file' in error


@pytest.mark.usefixtures('no_hang')
@pytest.mark.parametrize(('make', 'what'), KINDS[:2])
def test_what_is_no_file_named_on_the_command_line(folder, tmp_path, capsys, make, what):
    for name in ('a.mp4', 'a.mcap', 'a.bag', 'a.yaml', 'a.txt', 'a.png', 'a.ckpt'):
        make(tmp_path / name)
    picture = folder / 'images' / 'frame8.png'
    for words in (
        ['run', tmp_path / 'a.mp4'],
        ['run', tmp_path / 'a.mcap'],
        ['run', tmp_path / 'a.bag'],
        ['run', folder, '--camera', tmp_path / 'a.yaml'],
        ['evaluate', folder, '--ground-truth', tmp_path / 'a.txt', '--baseline', 'lk'],
        ['score', tmp_path / 'a.txt', '--ground-truth', folder / 'groundtruth.txt'],
        ['match', picture, tmp_path / 'a.png'],
        ['match', picture, picture, '--weights', tmp_path / 'a.ckpt'],
    ):
        error = refused(capsys, *words)
        assert f'it is {what}, not a regular file' in error, words


@pytest.mark.usefixtures('no_hang')
@pytest.mark.parametrize('name', ['metadata.yaml', 'bag.mcap'])
def test_a_bag_with_a_fifo(tmp_path, capsys, name):
    bag = recordings.write_bag(tmp_path / 'bag')
    (bag / name).unlink()
    fifo(bag / name)
    assert f'{name}: it is a FIFO' in refused(capsys, 'run', bag)


# --- more than there seems to be


def bomb(width=30000, height=30000):
    """Return a PNG that says how large it is, and has nothing of that."""

    def chunk(kind, data):
        return (
            struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        )

    header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    body = (
        chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b'')
    )
    return b'\x89PNG\r\n\x1a\n' + body


def jpeg_bomb():
    data = bytearray(cv2.imencode('.jpg', np.zeros((16, 16), np.uint8))[1].tobytes())
    at = data.index(b'\xff\xc0')
    data[at + 5 : at + 9] = struct.pack('>HH', 30000, 30000)
    return bytes(data)


@pytest.fixture
def nothing_is_decoded(monkeypatch):
    def decode(*_):
        raise AssertionError('it is decoded')

    monkeypatch.setattr(image_decoding.cv2, 'imdecode', decode)


@pytest.mark.usefixtures('nothing_is_decoded')
@pytest.mark.parametrize('data', [bomb(), jpeg_bomb()])
def test_a_picture_is_held_against_the_calibration_before_it_is_decoded(data):
    message = SimpleNamespace(format='png', data=data)
    camera = Camera(640, 480, np.array(recordings.MATRIX).reshape(3, 3), 'plumb_bob', np.zeros(0))
    with pytest.raises(CalibrationError, match=r'the picture is 30000x30000 .* is for 640x480'):
        PictureReader().read(message, camera)
    with pytest.raises(ImageError, match='30000x30000 pixels, more than the 100000000'):
        PictureReader().read(message)


@pytest.mark.usefixtures('nothing_is_decoded')
def test_a_bomb_in_a_folder(folder, capsys):
    (folder / 'images' / 'frame8.png').write_bytes(bomb())
    error = refused(capsys, 'evaluate', folder, '--baseline', 'lk')
    assert 'frame8.png: the picture is 30000x30000 pixels' in error


@pytest.mark.usefixtures('nothing_is_decoded')
def test_a_bomb_in_a_bag(tmp_path):
    stamp = recordings.STAMPS[0]
    with recordings.Bag(tmp_path / 'bag') as bag:
        bag.write('/c/camera_info', bag.camera_info(stamp), stamp)
        message = bag.compressed(recordings.pictures()[0], stamp)
        message.data = np.frombuffer(bomb(), np.uint8)
        bag.write('/c/image/compressed', message, stamp)
    with pytest.raises(CalibrationError, match=r'message 1 .* the picture is 30000x30000 pixels'):
        list(open_sequence(tmp_path / 'bag'))


@pytest.mark.usefixtures('nothing_is_decoded')
def test_a_bomb_as_a_depth_image(folder):
    (folder / 'depth').mkdir()
    (folder / 'depth' / 'frame8.png').write_bytes(bomb())
    sequence = open_sequence(folder)
    with pytest.raises(DatasetError, match='more than the'):
        sequence.companions.depth.read(0)


def test_a_video_of_another_size_than_its_calibration(tmp_path):
    path = recordings.write_video(tmp_path / 'walk.avi')
    (tmp_path / 'camera.yaml').write_text(yaml.safe_dump(recordings.calibration(128, 48)))
    with pytest.raises(CalibrationError, match=r'walk\.avi: the picture is 64x48'):
        open_sequence(path)


def test_a_damaged_length_in_a_bag_takes_no_memory(tmp_path):
    file = recordings.write_bag(tmp_path / 'bag') / 'bag.mcap'
    data = bytearray(file.read_bytes())
    data[9 + 4] = 1  # of eight bytes after the magic number and the first record's kind
    file.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(DatasetError, match=r'Truncated record .* expected 429496'):
        open_sequence(tmp_path / 'bag')
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_no_more_is_read_than_a_file_has(tmp_path):
    (tmp_path / 'a.mcap').write_bytes(b'12345678' + bytes(2000))
    tracemalloc.start()
    with BagPath(tmp_path / 'a.mcap').open('rb') as file:
        assert file.read(4) == b'1234'
        assert len(file.read(1 << 33)) == 2004
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_sparse_file_is_not_read(folder):
    os.truncate(folder / 'times.txt', 1 << 40)
    os.truncate(folder / 'camera.yaml', 1 << 40)
    with pytest.raises(InputError, match='is larger than'):
        open_sequence(folder)


@pytest.mark.usefixtures('nothing_is_decoded')
def test_a_bomb_that_comes_live():
    pytest.importorskip('rclpy')
    from sensor_msgs.msg import CompressedImage

    from loftr_vo.ros.inputs import Arrival
    from loftr_vo.ros.picture_decoder import PictureDecoder

    told = []
    logger = SimpleNamespace(error=lambda kind, text: told.append(text))
    camera = Camera(640, 480, np.array(recordings.MATRIX).reshape(3, 3), 'plumb_bob', np.zeros(0))
    health = SimpleNamespace(picture_error='')
    decoder = PictureDecoder(lambda: None, health, logger)
    assert decoder.take(Arrival(CompressedImage(format='png', data=bomb()), camera, 0.0)) is None
    assert 'the picture is 30000x30000 pixels' in told[0]


@pytest.mark.usefixtures('no_hang')
def test_a_parameter_file_that_is_no_file(tmp_path, capsys):
    pytest.importorskip('rclpy')
    from loftr_vo.ros.node import main

    fifo(tmp_path / 'vo.yaml')
    assert main(['--ros-args', '--params-file', str(tmp_path / 'vo.yaml')]) == 1
    assert 'vo.yaml: it is a FIFO' in capsys.readouterr().err


# --- YAML


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('\na: ' + '[' * 5000, r'F:2 .*more than 32 levels'),
        ('a: &a [*a]', r'F:1 .*more than'),
        (
            'a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n'
            + '\n'.join(
                f'{b}: &{b} [{", ".join([f"*{a}"] * 10)}]'
                for a, b in zip('abcdefghi', 'bcdefghij', strict=True)
            ),
            r'F:5 .*more than 100000 values',
        ),
        ('a: 2001-99-99', 'F: month must be in'),
        ('a: [1, 2\nb: 3', 'F:2 is not YAML'),
        ('a: !!python/name:os.system x', 'F:1 is not YAML'),
        ('a: \x07', 'F is not YAML'),
    ],
)
def test_yaml_within_limits(text, message):
    with pytest.raises(InputError, match=message):
        parse_yaml(text, 'F')


@pytest.mark.usefixtures('no_hang')
def test_brackets_in_the_metadata_of_a_bag(tmp_path, capsys):
    bag = recordings.write_bag(tmp_path / 'bag')
    with (bag / 'metadata.yaml').open('a') as file:
        file.write('\nmore: ' + '[' * 5000)
    assert 'metadata.yaml:' in refused(capsys, 'run', bag)


def test_aliases_and_opencv_matrices_are_read():
    text = '%YAML:1.0\n---\na: &a !!opencv-matrix\n  rows: 1\n  data: [1, 2]\nb: *a\n'
    values = parse_yaml(text, 'F')
    assert values['a'] == values['b'] == {'rows': 1, 'data': [1, 2]}


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ('9' * 400, 'camera_matrix.data must be a list of numbers'),
        ('0x' + 'f' * 6000, 'camera_matrix.data must be a list of numbers'),
        ('1e30', 'no camera of 64x48 pixels has fx'),
        ('.inf', 'not finite'),
    ],
)
def test_numbers_that_no_camera_has(folder, capsys, value, message):
    values = yaml.safe_dump(recordings.calibration(), default_flow_style=None)
    (folder / 'camera.yaml').write_text(values.replace('60.0', value, 1))
    error = refused(capsys, 'run', folder)
    assert str(folder / 'camera.yaml') in error
    assert message in error


def test_a_right_camera_with_the_header_of_opencv(folder):
    shutil.copytree(folder / 'images', folder / 'right')
    projection = {'data': [60.0, 0, 32, -15, 0, 60, 24, 0, 0, 0, 1, 0]}
    fields = recordings.calibration() | {'projection_matrix': projection}
    for name in ('camera.yaml', 'right_camera.yaml'):
        (folder / name).write_text('%YAML:1.0\n---\n' + yaml.safe_dump(fields))
    sequence = open_sequence(folder)
    sequence.provide('stereo')
    assert next(iter(sequence)).right.right_from_left[0, 3] == pytest.approx(-0.25)


def test_right_pictures_without_a_calibration_hinder_nobody(folder):
    shutil.copytree(folder / 'images', folder / 'right')
    sequence = open_sequence(folder)
    assert len(list(sequence)) == 5
    with pytest.raises(DatasetError, match='has no right pictures with a calibration'):
        sequence.provide('stereo')


def test_a_truth_that_is_not_asked_for_hinders_nobody(folder):
    for name in ('groundtruth.txt', 'odometry.txt'):
        (folder / name).write_text('nonsense')
    sequence = open_sequence(folder)
    assert len(list(sequence)) == 5
    with pytest.raises(TrajectoryError, match=r'groundtruth\.txt:1'):
        _ = sequence.ground_truth


# --- numbers


@pytest.mark.usefixtures('no_hang')
@pytest.mark.parametrize('text', ['1e9999999', '1e30', '-1e9999999', '1e99999999999', '9' * 400])
def test_times_that_no_stamp_has(folder, capsys, text):
    with pytest.raises(TrajectoryError, match='not a time in seconds'):
        parse_seconds(text, 'F:1')
    (folder / 'times.txt').write_text(f'0\n1\n{text}\n3\n4\n')
    assert 'times.txt:3' in refused(capsys, 'run', folder)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1e30 0 0 0 0 0 1', 'from the origin'),
        ('1e155 0 0 0 0 0 1', 'from the origin'),
        (f'{"9" * 400} 0 0 0 0 0 1', 'not finite'),
        ('0 0 0 1e200 0 0 1', 'quaternion'),
        ('0 0 0 1e-200 0 0 0', 'quaternion'),
    ],
)
def test_poses_that_no_camera_has(tmp_path, line, message):
    (tmp_path / 'truth.txt').write_text(f'# comment\n1.0 {line}\n')
    with pytest.raises(TrajectoryError, match=rf'truth\.txt:2: .*{message}'):
        Trajectory.read_tum(tmp_path / 'truth.txt')


@pytest.mark.parametrize(
    'content', [b'hello\n', b'cos\nsystem\n', b'(lp0\n.', b'0', b'a.', b'\x80']
)
def test_weights_that_are_text(tmp_path, content):
    (tmp_path / 'weights.txt').write_bytes(content)
    with pytest.raises(WeightsError, match=r'weights\.txt is not a checkpoint|holds a'):
        load_weights(tmp_path / 'weights.txt')


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_a_disk_that_is_full(folder, tmp_path, capsys, storage):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        error = refused(capsys, 'record', folder, '-o', tmp_path / 'bag', '--storage', storage)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert 'bag' in error or 'File too large' in error
    assert not (tmp_path / 'bag').exists()


# --- names that are no text


def test_matches_are_drawn_into_a_file_whose_name_is_no_text(folder, tmp_path):
    pictures = [tmp_path / f'{NOT_TEXT}{number}.png' for number in range(2)]
    for source, picture in zip(sorted((folder / 'images').iterdir()), pictures, strict=False):
        shutil.copy(source, picture)
    output = tmp_path / f'{NOT_TEXT}.png'
    words = ['match', *map(str, pictures), '-o', str(output), '--weights', 'random:compact']
    assert main.main([*words, '--device', 'cpu']) == 0
    assert cv2.imdecode(np.fromfile(output, np.uint8), 1).ndim == 3


def test_an_ending_that_is_no_picture_is_refused(folder, tmp_path, capsys):
    picture = folder / 'images' / 'frame8.png'
    words = ['match', picture, picture, '--weights', 'random:compact', '--device', 'cpu', '-o']
    for name in ('a.nothing', f'a.{NOT_TEXT}'):
        assert 'name a .png or .jpg' in refused(capsys, *words, tmp_path / name)


@pytest.mark.parametrize('name', [f'{NOT_TEXT}.avi', f'a.{NOT_TEXT}', 'a%03d.avi', 'concat:a.avi'])
def test_videos_by_any_name(tmp_path, name):
    path = recordings.write_video(tmp_path / 'walk.avi').rename(tmp_path / name)
    assert len(list(open_sequence(path))) == 5


class Still:
    """An odometry that sees no motion."""

    def track(self, frame):
        return Estimate(frame.stamp, State.TRACKING, '', np.eye(4), np.eye(6))


def test_a_recording_whose_name_is_no_text_is_reported(tmp_path, monkeypatch, capsys):
    folder = recordings.write_folder(tmp_path / 'walk').rename(tmp_path / NOT_TEXT)
    made = engine.Engine(Still(), 'compact', 'cpu')
    monkeypatch.setattr(engine, 'make_engine', lambda settings, baseline: made)
    monkeypatch.chdir(tmp_path)
    assert main.main(['run', str(folder)]) == 0
    assert r'results/m\xff' in capsys.readouterr().out
    report = tmp_path / 'results' / r'm\xff'
    assert json.loads((report / 'metrics.json').read_text())['sequence'] == r'm\xff'
    assert r'm\xff' in (report / 'report.html').read_text()
