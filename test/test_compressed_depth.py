# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth as ``compressed_depth_image_transport`` sends it, decoded and found in bags."""

import contextlib
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import recordings

from loftr_vo.config import Settings, replace
from loftr_vo.datasets import open_sequence
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.imaging.image_decoding import ImageError
from loftr_vo.imaging.image_messages import depth_image
from loftr_vo.odometry import VisualOdometry
from loftr_vo.synthetic.sequence import SyntheticSequence

STAMPS = recordings.STAMPS
MILLIMETRES = np.zeros((48, 64), np.uint16)
MILLIMETRES[5:40, 3:50] = np.random.default_rng(2).integers(300, 65535, (35, 47), np.uint16)
MILLIMETRES[0, 0] = MILLIMETRES[20, 10:14] = 0
MILLIMETRES[-1, -1] = 1


def rvl(values):
    """Encode as RvlCodec::CompressRVL does, nibble by nibble."""
    nibbles = []

    def number(value):
        while True:
            nibbles.append((value & 7) | (8 if value > 7 else 0))
            value >>= 3
            if not value:
                return

    values = [int(value) for value in values.ravel()]
    at, before = 0, 0
    while at < len(values):
        for empty in (True, False):
            end = at
            while end < len(values) and (values[end] == 0) is empty:
                end += 1
            number(end - at)
            if not empty:
                for value in values[at:end]:
                    difference, before = value - before, value
                    number(difference * 2 if difference >= 0 else -difference * 2 - 1)
            at = end
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        int(''.join(f'{nibble:x}' for nibble in nibbles[index : index + 8]), 16)
        for index in range(0, len(nibbles), 8)
    ]
    return struct.pack(f'<{len(words)}I', *words)


def payload(values, method, scale=0.0, shift=0.0):
    header = struct.pack('<iff', 0, scale, shift)
    if method == 'rvl':
        height, width = values.shape
        return header + struct.pack('<II', width, height) + rvl(values)
    return header + cv2.imencode('.png', values)[1].tobytes()


def message(form, data):
    return SimpleNamespace(format=form, data=np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(
    ('form', 'method'),
    [
        ('16UC1; compressedDepth', 'png'),
        ('16UC1; compressedDepth png', 'png'),
        ('16UC1; compressedDepth rvl', 'rvl'),
    ],
)
def test_millimetres_come_through(form, method):
    depth = depth_image(message(form, payload(MILLIMETRES, method)))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, MILLIMETRES / 1000.0, rtol=1e-6)


def test_a_plain_png_of_16_bits_is_depth_too():
    data = cv2.imencode('.png', MILLIMETRES)[1].tobytes()
    depth = depth_image(message('16UC1; png compressed', data))
    np.testing.assert_allclose(depth, MILLIMETRES / 1000.0, rtol=1e-6)


@pytest.mark.parametrize('method', ['png', 'rvl'])
def test_quantised_inverse_depth_comes_through(method):
    # As the encoder makes it: depthQuantA = quantum (quantum + 1), depthQuantB = 1 - A / most.
    quantum, most = 100.0, 10.0
    scale = quantum * (quantum + 1)
    shift = 1.0 - scale / most
    metres = np.random.default_rng(3).uniform(0.4, 8.0, (20, 30)).astype(np.float32)
    values = (scale / metres + shift).astype(np.uint16)
    values[3] = 0
    data = payload(values, method, scale, shift)
    depth = depth_image(message(f'32FC1; compressedDepth {method}', data))
    expected = np.where(values > 0, scale / (values - shift), 0.0)
    np.testing.assert_allclose(depth, expected, rtol=1e-5)
    np.testing.assert_allclose(depth[5:], metres[5:], rtol=1e-2)


@pytest.mark.parametrize('method', ['png', 'rvl'])
def test_damage_is_an_error(method):
    data = payload(MILLIMETRES, method)
    for end in (0, 8, 15, 40, len(data) // 2):
        with pytest.raises(ImageError):
            depth_image(message(f'16UC1; compressedDepth {method}', data[:end]))


def test_a_bomb_in_rvl_is_refused():
    data = struct.pack('<iff', 0, 0.0, 0.0) + struct.pack('<II', 60000, 60000) + bytes(64)
    with pytest.raises(ImageError, match='more than'):
        depth_image(message('16UC1; compressedDepth rvl', data))
    many = struct.pack('<iff', 0, 0.0, 0.0) + struct.pack('<II', 10, 10) + b'\xff' * 64
    with pytest.raises(ImageError):
        depth_image(message('16UC1; compressedDepth rvl', many))


def test_noise_in_place_of_rvl_ends_in_an_error_or_a_picture():
    rng = np.random.default_rng(5)
    for _ in range(200):
        data = struct.pack('<iff', 0, 0.0, 0.0) + struct.pack('<II', 16, 12) + rng.bytes(200)
        with contextlib.suppress(ImageError):
            assert depth_image(message('16UC1; compressedDepth rvl', data)).shape == (12, 16)


def test_another_format_says_what_is_supported():
    with pytest.raises(ImageError, match='supported are'):
        depth_image(message('8UC1; compressedDepth', b'1234567890123456'))


def write(path, frames, method):
    """Write a bag with raw pictures and depth, or with both compressed."""
    with recordings.Bag(path) as bag:
        for frame in frames:
            millimetres = np.round(frame.depth * 1000).astype(np.uint16)
            height, width = millimetres.shape
            info = bag.camera_info(frame.stamp, frame.camera.matrix.ravel())
            info.width, info.height = width, height
            if method:
                picture = bag.compressed(frame.image, frame.stamp)
                depth = bag.make(
                    'sensor_msgs/msg/CompressedImage',
                    header=bag.header(frame.stamp),
                    format=f'16UC1; compressedDepth {method}'.rstrip(),
                    data=np.frombuffer(payload(millimetres, method), np.uint8),
                )
            else:
                picture = bag.image(frame.image, frame.stamp)
                depth = bag.image(millimetres.view(np.uint8), frame.stamp, '16UC1')
                depth.width = width
            endings = ('/compressed', '/compressedDepth') if method else ('', '')
            bag.write('/cam/camera_info', info, frame.stamp)
            bag.write(f'/cam/color/image_raw{endings[0]}', picture, frame.stamp)
            bag.write(f'/cam/depth/image_raw{endings[1]}', depth, frame.stamp)
    return path


@pytest.fixture(scope='module')
def frames():
    sequence = SyntheticSequence('room', 4, size=(96, 128), seed=1)
    sequence.provide('depth')
    return list(sequence)


@pytest.mark.parametrize('method', ['png', 'rvl'])
def test_a_bag_with_all_compressed_is_read_as_a_raw_one(tmp_path, frames, method):
    raw, compressed = (
        open_sequence(write(tmp_path / f'bag{way}', frames, way)) for way in ('', method)
    )
    assert compressed.image_topic == '/cam/color/image_raw/compressed'
    for sequence in (raw, compressed):
        sequence.provide('depth')
    for one, other in zip(raw, compressed, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_allclose(one.depth, other.depth, rtol=1e-6)


def test_raw_depth_is_taken_where_both_are_there(tmp_path, frames):
    with recordings.Bag(tmp_path / 'bag') as bag:
        for frame in frames:
            millimetres = np.round(frame.depth * 1000).astype(np.uint16)
            depth = bag.image(millimetres.view(np.uint8), frame.stamp, '16UC1')
            depth.width = millimetres.shape[1]
            bag.write('/depth', depth, frame.stamp)
            packed = bag.make(
                'sensor_msgs/msg/CompressedImage',
                header=bag.header(frame.stamp),
                format='16UC1; compressedDepth',
                data=np.frombuffer(payload(millimetres, 'png'), np.uint8),
            )
            bag.write('/depth/compressedDepth', packed, frame.stamp)
            info = bag.camera_info(frame.stamp, frame.camera.matrix.ravel())
            info.width, info.height = frame.camera.width, frame.camera.height
            bag.write('/camera_info', info, frame.stamp)
            bag.write('/image', bag.image(frame.image, frame.stamp), frame.stamp)
    sequence = open_sequence(tmp_path / 'bag')
    sequence.provide('depth')
    assert all(frame.depth is not None for frame in sequence)


@pytest.mark.slow
def test_metres_are_as_with_raw_messages(tmp_path):
    sequence = SyntheticSequence('room', 12, seed=3)
    sequence.provide('depth')
    frames = list(sequence)
    positions = []
    for method in ('', 'png', 'rvl'):
        bag = open_sequence(write(tmp_path / f'bag{method}', frames, method))
        bag.provide('depth')
        settings = {'matcher.device': 'cpu', 'matcher.image_size': 320, 'scale.source': 'depth'}
        run = run_sequence(bag, VisualOdometry(replace(Settings(), settings)))
        assert run.metric
        positions.append(run.trajectory.poses[:, :3, 3])
    for compressed in positions[1:]:
        np.testing.assert_allclose(compressed, positions[0], atol=1e-3)
