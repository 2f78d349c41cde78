# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Bad recordings: a clear error that names the place, exit code 2, and no traceback."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import recordings
import yaml
from paths import ROOT

from loftr_vo.cli import main
from loftr_vo.datasets import DatasetError, open_sequence


@pytest.fixture
def folder(tmp_path):
    return recordings.write_folder(tmp_path / 'walk')


def error_of(capsys, *words):
    """Return what the command prints to refuse its input."""
    assert main.main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert 'loftr_vo: error: ' in error
    assert 'Traceback' not in error
    return error


def evaluate(capsys, path):
    return error_of(capsys, 'evaluate', path, '--baseline', 'lk')


def test_path_that_is_not_there(tmp_path, capsys):
    assert 'no file or folder' in evaluate(capsys, tmp_path / 'none')


def test_empty_folder(tmp_path, capsys):
    error = evaluate(capsys, tmp_path)
    assert 'is empty' in error
    assert 'KITTI odometry' in error


def test_folder_of_no_known_layout(tmp_path, capsys):
    (tmp_path / 'notes.txt').write_text('nothing')
    error = evaluate(capsys, tmp_path)
    assert 'no layout that is known' in error
    assert 'mav0/' in error


def test_folder_without_pictures(folder, capsys):
    for picture in (folder / 'images').iterdir():
        picture.unlink()
    error = evaluate(capsys, folder)
    assert 'there are no pictures' in error
    assert str(folder / 'images') in error


@pytest.mark.parametrize('content', [b'', b'no picture at all'])
def test_picture_that_does_not_decode(folder, capsys, content):
    (folder / 'images' / 'frame10.png').write_bytes(content)
    error = evaluate(capsys, folder)
    assert 'frame10.png does not decode' in error


def test_single_picture(folder, capsys):
    assert 'single picture' in evaluate(capsys, folder / 'images' / 'frame8.png')


def test_calibration_is_missing(folder, capsys):
    (folder / 'camera.yaml').unlink()
    assert '--camera' in evaluate(capsys, folder)


def test_calibration_lacks_a_field(folder, capsys):
    values = recordings.calibration()
    del values['distortion_model']
    (folder / 'camera.yaml').write_text(yaml.safe_dump(values))
    error = evaluate(capsys, folder)
    assert str(folder / 'camera.yaml') in error
    assert 'distortion_model is missing' in error


def test_calibration_is_for_another_size(folder, capsys):
    (folder / 'camera.yaml').write_text(yaml.safe_dump(recordings.calibration(640, 480)))
    error = evaluate(capsys, folder)
    assert 'frame8.png' in error
    assert 'the picture is 64x48 pixels, but the calibration is for 640x480' in error


def test_picture_of_one_pixel(folder, capsys):
    cv2.imwrite(str(folder / 'images' / 'frame9.png'), np.zeros((1, 1), np.uint8))
    error = evaluate(capsys, folder)
    assert 'frame9.png: the picture is 1x1 pixels' in error


def test_matching_a_picture_of_one_pixel(folder, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'dot.png'), np.zeros((1, 1), np.uint8))
    words = ['match', folder / 'images' / 'frame8.png', tmp_path / 'dot.png']
    error = error_of(capsys, *words, '--weights', 'random:compact', '--device', 'cpu')
    assert '1' in error.split('error:')[1]


def test_times_out_of_order(tmp_path, capsys):
    stamps = recordings.STAMPS.copy()
    stamps[3] = stamps[1]
    folder = recordings.write_folder(tmp_path / 'walk', times=stamps)
    error = evaluate(capsys, folder)
    assert f'{folder / "times.txt"}:4' in error
    assert 'order of time' in error


def test_fewer_times_than_pictures(tmp_path, capsys):
    folder = recordings.write_folder(tmp_path / 'walk', times=recordings.STAMPS[:4])
    assert '4 times for 5 pictures' in evaluate(capsys, folder)


def test_time_that_is_no_number(folder, capsys):
    (folder / 'times.txt').write_text('0\n1\nlater\n3\n4\n')
    assert "times.txt:3: 'later'" in evaluate(capsys, folder)


def test_file_that_is_no_video(tmp_path, capsys):
    (tmp_path / 'walk.mp4').write_bytes(b'no video')
    assert 'does not open as a video' in evaluate(capsys, tmp_path / 'walk.mp4')


def test_file_that_is_no_bag(tmp_path, capsys):
    (tmp_path / 'walk.mcap').write_bytes(b'no bag')
    assert 'does not open as a bag' in evaluate(capsys, tmp_path / 'walk.mcap')


def test_bag_without_the_topic(tmp_path, capsys):
    bag = recordings.write_bag(tmp_path / 'bag')
    error = error_of(capsys, 'run', bag, '--image-topic', '/front/image')
    assert 'no image topic /front/image' in error
    assert '/camera/image_raw' in error


def test_bag_without_any_image(tmp_path, capsys):
    bag = recordings.write_bag(tmp_path / 'bag', topics=())
    error = error_of(capsys, 'run', bag)
    assert 'no image topic' in error
    assert '/camera/camera_info' in error


def test_bag_without_camera_info(tmp_path, capsys):
    bag = recordings.write_bag(tmp_path / 'bag', info=False)
    assert '--camera' in error_of(capsys, 'run', bag)


def test_bag_of_a_camera_that_is_not_calibrated(tmp_path, capsys):
    with recordings.Bag(tmp_path / 'bag') as bag:
        stamp = recordings.STAMPS[0]
        bag.write('/camera/image', bag.image(recordings.pictures()[0], stamp), stamp)
        bag.write('/camera/camera_info', bag.camera_info(stamp, [0.0] * 9), stamp)
    error = error_of(capsys, 'run', tmp_path / 'bag')
    assert '/camera/camera_info' in error
    assert 'not calibrated' in error


@pytest.mark.parametrize(
    ('encoding', 'message'),
    [('plaid12', 'plaid12'), ('rgb8', 'takes 192 bytes'), ('32FC1', 'not supported')],
)
def test_bag_with_an_encoding_that_does_not_fit(tmp_path, encoding, message):
    with recordings.Bag(tmp_path / 'bag') as bag:
        stamp = recordings.STAMPS[0]
        bag.write('/camera/image', bag.image(recordings.pictures()[0], stamp, encoding), stamp)
        bag.write('/camera/camera_info', bag.camera_info(stamp), stamp)
    frames = iter(open_sequence(tmp_path / 'bag'))
    with pytest.raises(DatasetError, match=rf'message 1 on /camera/image.*{message}'):
        next(frames)


def test_bag_whose_clock_was_set_back(tmp_path):
    first, late = recordings.STAMPS[1], recordings.STAMPS[1] - 2 * 10**9
    with recordings.Bag(tmp_path / 'bag') as bag:
        for received, stamp in enumerate((first, late)):
            bag.write('/camera/image', bag.image(recordings.pictures()[0], stamp), received)
            bag.write('/camera/camera_info', bag.camera_info(stamp), received)
    with pytest.raises(DatasetError, match=r'message 2 on /camera/image .*order of time'):
        list(open_sequence(tmp_path / 'bag'))


def test_malformed_ground_truth(folder, capsys):
    (folder / 'groundtruth.txt').write_text('0.0 1 2 3\n')
    assert 'groundtruth.txt:1' in evaluate(capsys, folder)


def test_the_process_itself_exits_with_2(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'loftr_vo.cli', 'run', str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith('loftr_vo: error: the folder')
    assert 'Traceback' not in done.stderr
