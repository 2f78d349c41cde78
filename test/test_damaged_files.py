# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are damaged at random: whatever they say, only errors of our own come out."""

import shutil

import cv2
import numpy as np
import pytest
import recordings
import yaml
from test_calibration_files import FILES

from loftr_vo.datasets import open_sequence
from loftr_vo.files.errors import InputError
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.imaging.calibration_files import read_calibration
from loftr_vo.imaging.image_decoding import GREY_ANY_DEPTH, decode_picture

# What has made a reader fail, or might.
NASTY = [
    b'1e9999999',
    b'-1e9999999',
    b'1e30',
    b'1e155',
    b'1e-320',
    b'nan',
    b'inf',
    b'-1',
    b'0',
    b'9' * 400,
    b'9' * 5000,
    b'0x' + b'f' * 6000,
    b'[' * 5000,
    b'{a: ' * 5000,
    b'- ' * 5000,
    b'\0',
    b'\xff\xfe',
    b'\xc3',
    b'\xef\xbb\xbf',
    b'\xc2\xb2',
    b'&a [*a, *a]',
    b'*a',
    b'!!python/object/apply:os.getcwd []',
    b'!!opencv-matrix 3',
    b'!!binary x',
    b'!!set {a}',
    b'2001-99-99',
    b'1:99:99',
    b'? []\n: 1\n',
    b'%YAML:1.0\n---\n',
    b'---\n',
    b'"' + b'a' * 200_000,
    b'\t',
    b'\r',
    b'\n',
    b'',
    b'~',
    b'true',
    b'/dev/zero',
    b'../..',
    b'a\x00b.png',
]


def damaged(data, rng):
    """Return bytes with one to four faults."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at, length = rng.integers(0, len(data) + 1), int(rng.integers(0, 12))
        match rng.integers(0, 6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.integers(0, 8)
            case 1:
                del data[at : at + length]
            case 2:
                data[at : at + length] = NASTY[rng.integers(len(NASTY))]
            case 3:
                words = bytes(data).split(b' ')
                words[rng.integers(len(words))] = NASTY[rng.integers(len(NASTY))]
                data = bytearray(b' '.join(words))
            case 4:
                lines = bytes(data).splitlines(keepends=True) or [b'']
                lines.insert(rng.integers(len(lines)), lines[rng.integers(len(lines))])
                data = bytearray(b''.join(lines))
            case 5:
                del data[rng.integers(len(data) + 1) :]
    return bytes(data)


def read_all(path):
    """Read all that there is; return whether nothing was wrong."""
    try:
        sequence = open_sequence(path)
        _ = sequence.ground_truth
        for source in ('depth', 'stereo', 'odometry', 'imu'):
            if not sequence.lacks(source):
                sequence.provide(source)
        for frame in sequence:
            assert np.isfinite(frame.camera.matrix).all()
            assert all(np.isfinite(wheels.pose).all() for wheels in frame.wheels)
            assert frame.imu is None or np.isfinite(frame.imu.specific_force).all()
            assert frame.right is None or np.isfinite(frame.right.right_from_left).all()
    except InputError as error:
        # It says where: the recording is named, as a rule with the file and the line.
        assert str(path) in str(error)
        assert len(str(error)) < 1000
        return False
    return True


def stereo_folder(root):
    path = recordings.write_folder(root / 'walk')
    shutil.copytree(path / 'images', path / 'right')
    projection = [60.0, 0, 32, -15, 0, 60, 24, 0, 0, 0, 1, 0]
    turn = {'rectification_matrix': {'data': np.eye(3).ravel().tolist()}}
    left, right = recordings.calibration() | turn, recordings.calibration() | turn
    right['projection_matrix'] = {'data': projection}
    (path / 'camera.yaml').write_text(yaml.safe_dump(left))
    (path / 'right_camera.yaml').write_text('%YAML:1.0\n---\n' + yaml.safe_dump(right))
    (path / 'odometry.txt').write_text(recordings.tum_lines())
    recordings.write_imu(path)
    return path


def kitti(root):
    path = recordings.write_kitti(root)
    shutil.copytree(path / 'image_0', path / 'image_1')
    left = '60 0 32 0 0 60 24 0 0 0 1 0'
    (path / 'calib.txt').write_text(f'P0: {left}\nP1: {left.replace("32 0", "32 -15", 1)}\n')
    shutil.move(root / 'poses' / '06.txt', path / 'poses.txt')
    return path


def tum(root):
    path = recordings.write_tum(root / 'rgbd_dataset_freiburg2_desk')
    shutil.copy(path / 'rgb.txt', path / 'depth.txt')
    return path


def euroc(root):
    path = recordings.write_euroc(root / 'MH_01')
    shutil.copytree(path / 'mav0' / 'cam0', path / 'mav0' / 'cam1')
    recordings.write_euroc_imu(path)
    return path


def bag(root):
    return recordings.write_bag(root / 'bag')


@pytest.mark.parametrize(
    ('make', 'names', 'rounds'),
    [
        (
            stereo_folder,
            [
                'times.txt',
                'camera.yaml',
                'right_camera.yaml',
                'groundtruth.txt',
                'odometry.txt',
                'imu.csv',
                'extrinsics.yaml',
            ],
            60,
        ),
        (kitti, ['calib.txt', 'times.txt', 'poses.txt'], 60),
        (tum, ['rgb.txt', 'depth.txt', 'groundtruth.txt'], 20),
        (
            euroc,
            [
                f'mav0/{name}'
                for name in (
                    'cam0/data.csv',
                    'cam0/sensor.yaml',
                    'cam1/data.csv',
                    'cam1/sensor.yaml',
                    'imu0/data.csv',
                    'imu0/sensor.yaml',
                    'state_groundtruth_estimate0/data.csv',
                )
            ],
            60,
        ),
        (bag, ['metadata.yaml', 'bag.mcap'], 60),
    ],
)
def test_only_errors_of_our_own_come_out(tmp_path, make, names, rounds):
    path = make(tmp_path)
    if make is not tum:  # its depth images are pictures of 8 bits
        assert read_all(path)
    rng = np.random.default_rng(7)
    refused = 0
    for name in names:
        file = path / name
        whole = file.read_bytes()
        for _ in range(rounds):
            file.write_bytes(damaged(whole, rng))
            refused += not read_all(path)
        file.write_bytes(whole)
    # Some faults do no harm; most do.
    assert refused > 0.4 * rounds * len(names)


def test_a_trajectory_of_faults(tmp_path):
    file = tmp_path / 'truth.txt'
    rng = np.random.default_rng(8)
    for _ in range(300):
        file.write_bytes(damaged(recordings.tum_lines().encode(), rng))
        try:
            trajectory = Trajectory.read_tum(file)
        except InputError as error:
            assert str(file) in str(error)
        else:
            assert np.isfinite(trajectory.poses).all()


def test_calibrations_of_faults(tmp_path):
    rng = np.random.default_rng(10)
    for text, name, *_ in FILES.values():
        for _ in range(20):
            (tmp_path / 'file').write_bytes(damaged(text.encode(), rng))
            try:
                camera = read_calibration(
                    f'{tmp_path / "file"}:{name}' if name else tmp_path / 'file'
                )
            except InputError as error:
                assert str(tmp_path) in str(error)
                assert len(str(error)) < 1000
            else:
                assert np.isfinite(camera.camera.matrix).all()


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.bmp', '.pgm', '.tif', '.webp'])
def test_pictures_of_faults(suffix):
    whole = cv2.imencode(suffix, recordings.pictures()[0])[1].tobytes()
    rng = np.random.default_rng(9)
    for _ in range(40):
        # Faults where the header is, most of them.
        data, cut = bytearray(whole), min(len(whole), 64)
        for at in rng.integers(0, cut, 2):
            data[at] = rng.integers(256)
        try:
            picture = decode_picture(bytes(data), GREY_ANY_DEPTH, None, 'it')
        except InputError as error:
            assert str(error).startswith('it')
        else:
            assert picture.ndim == 2
