# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Messages made wrong at random: fields, stamps, texts and bytes."""

from __future__ import annotations

import array
import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

Rng = np.random.Generator

# What computing goes wrong with.
NUMBERS = (
    *(float('nan'), float('inf'), -float('inf'), 0.0, -0.0, 1.0, -1.0, 0.5),
    *(1e-300, 5e-324, 1e-30, 1e-6, 1e6, 1e30, 1e155, -1e155, 1.7e308),
)
SIZES = (0, 1, 2, 3, 7, 8, 15, 16, 127, 640, 4096, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
SECONDS = (0, -1, 1, -(2**31), 2**31 - 1)
NANOSECONDS = (0, 1, 10**9 - 1, 10**9, 2**32 - 1)
TEXTS = (
    *('', ' ', 'mono8', 'MONO8', 'rgb8', 'bayer_rggb8', 'mono16', '16UC1', '32FC1', 'nv12'),
    *('8UC99', '8UC', '64FC3', 'plumb_bob', 'equidistant', 'rational_polynomial', '../..', '/'),
    *('\x1b[2J\x07', 'mono8\x01', '\n\r\t', '%s%n{0}', 'é\u202e\U0001f4a9', 'x' * 5000),
)
_FORMATS = ('.png', '.jpg', '.bmp', '.tiff', '.webp', '.pgm')
# Bytes at the beginning of a file among which its size in pixels is.
_HEADER = 64
# Share of pictures whose pixels are changed and no more: these are worked on, which takes longest.
_PIXELS_ONLY = 0.1


def mutate_stamp(header: Any, rng: Rng) -> None:
    """Put a stamp off, or a part of it to a number at the edge of what it can be."""
    if rng.random() < 0.5:
        header.stamp.sec = int(rng.choice(SECONDS))
    else:
        moved = header.stamp.sec + int(rng.choice((-3600, -2, -1, 1, 2, 3600)))
        header.stamp.sec = int(np.clip(moved, -(2**31), 2**31 - 1))
    if rng.random() < 0.3:
        header.stamp.nanosec = int(rng.choice(NANOSECONDS))
    if rng.random() < 0.2:
        header.frame_id = text(rng)


def mutate_image(message: Any, rng: Rng) -> None:
    """Make an ``Image`` of grey pixels wrong in one to three ways."""
    if rng.random() < _PIXELS_ONLY:
        message.data = _bytes(_changed_pixels(message, rng))
        return
    for change in _some((_size, _step, _encoding, _endianness, _data), rng):
        change(message, rng)


def mutate_depth(message: Any, rng: Rng) -> None:
    """Make a 32FC1 ``Image`` wrong: its numbers, or what an ``Image`` has besides."""
    if rng.random() < 0.5:
        values = np.frombuffer(bytes(message.data), np.float32).copy()
        places = rng.integers(0, values.size, int(rng.integers(1, values.size)))
        with np.errstate(over='ignore'):
            values[places] = np.array(rng.choice(NUMBERS)).astype(np.float32)
        message.data = _bytes(values)
        return
    mutate_image(message, rng)


def mutate_compressed(message: Any, rng: Rng) -> None:
    """Make a ``CompressedImage`` of a PNG wrong: its kind, its header, its bytes."""
    picture = cv2.imdecode(np.frombuffer(bytes(message.data), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None  # nobody has changed it yet
    kind = str(rng.choice(_FORMATS))
    data = bytearray(cv2.imencode(kind, picture)[1].tobytes())
    for change in _some((_flip, _cut, _header_number, _overwrite), rng):
        data = change(data, rng)
    message.data = _bytes(np.frombuffer(bytes(data), np.uint8))
    message.format = text(rng) if rng.random() < 0.2 else kind[1:]


def mutate_info(message: Any, rng: Rng) -> None:
    """Make a ``CameraInfo`` wrong in one to three ways."""
    for change in _some((_numbers_of('k'), _numbers_of('p'), _lens, _info_size, _region), rng):
        change(message, rng)


def mutate_odometry(message: Any, rng: Rng) -> None:
    """Make an ``Odometry`` wrong: numbers of its pose."""
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    for _ in range(int(rng.integers(1, 4))):
        part, name = (place, 'xyz') if rng.random() < 0.6 else (turn, 'xyzw')
        setattr(part, str(rng.choice(list(name))), float(rng.choice(NUMBERS)))
    if rng.random() < 0.2:
        message.child_frame_id = text(rng)


def mutate_imu(message: Any, rng: Rng) -> None:
    """Make an ``Imu`` wrong: numbers of its turn rate and its specific force."""
    for _ in range(int(rng.integers(1, 4))):
        part = message.angular_velocity if rng.random() < 0.5 else message.linear_acceleration
        setattr(part, str(rng.choice(list('xyz'))), float(rng.choice(NUMBERS)))
    if rng.random() < 0.2:
        message.orientation.w = float(rng.choice(NUMBERS))


def text(rng: Rng) -> str:
    """Return a text that nobody expects."""
    return str(rng.choice(TEXTS))


def _some(changes: tuple[Callable[..., Any], ...], rng: Rng) -> list[Callable[..., Any]]:
    chosen = rng.choice(len(changes), int(rng.integers(1, 4)), replace=False)
    return [changes[index] for index in chosen]


def _bytes(values: np.ndarray) -> array.array:
    return array.array('B', np.ascontiguousarray(values).tobytes())


# --- Image


def _changed_pixels(message: Any, rng: Rng) -> np.ndarray:
    pixels = np.frombuffer(bytes(message.data), np.uint8)
    changes = (
        lambda: np.full_like(pixels, rng.integers(0, 256)),
        lambda: rng.integers(0, 256, pixels.size, np.uint8),
        lambda: 255 - pixels,
        lambda: np.roll(pixels, int(rng.integers(0, pixels.size))),
        lambda: pixels[::-1],
        lambda: rng.permutation(pixels),
        lambda: pixels // 16,
    )
    return changes[int(rng.integers(0, len(changes)))]()


def _size(message: Any, rng: Rng) -> None:
    name = 'width' if rng.random() < 0.5 else 'height'
    setattr(message, name, int(rng.choice(SIZES)))


def _step(message: Any, rng: Rng) -> None:
    message.step = int(rng.choice(SIZES))


def _encoding(message: Any, rng: Rng) -> None:
    message.encoding = text(rng)


def _endianness(message: Any, rng: Rng) -> None:
    message.is_bigendian = int(rng.integers(0, 256))


def _data(message: Any, rng: Rng) -> None:
    data = bytes(message.data)
    length = int(rng.integers(0, len(data) + 1))
    message.data = array.array('B', data[:length] if rng.random() < 0.8 else data + data)


# --- CompressedImage


def _flip(data: bytearray, rng: Rng) -> bytearray:
    for place in rng.integers(0, max(len(data), 1), int(rng.integers(1, 20))):
        if place < len(data):
            data[place] ^= 1 << int(rng.integers(0, 8))
    return data


def _cut(data: bytearray, rng: Rng) -> bytearray:
    return data[: int(rng.integers(0, len(data) + 1))]


def _header_number(data: bytearray, rng: Rng) -> bytearray:
    if len(data) > _HEADER:
        order = str(rng.choice(('>I', '<I', '>H', '<H')))
        size = struct.calcsize(order)
        number = int(rng.choice(SIZES)) % 2 ** (8 * size)
        struct.pack_into(order, data, int(rng.integers(0, _HEADER)), number)
    return data


def _overwrite(data: bytearray, rng: Rng) -> bytearray:
    start = int(rng.integers(0, len(data) + 1))
    length = int(rng.integers(1, 200))
    return data[:start] + rng.bytes(length) + data[start + length :]


# --- CameraInfo


def _numbers_of(name: str) -> Callable[..., None]:
    def change(message: Any, rng: Rng) -> None:
        values = np.array(getattr(message, name), np.float64)
        values[int(rng.integers(0, values.size))] = rng.choice(NUMBERS)
        setattr(message, name, values)

    return change


def _lens(message: Any, rng: Rng) -> None:
    count = int(rng.choice((0, 1, 2, 3, 4, 5, 8, 12, 14, 100)))
    message.d = [float(rng.choice((*NUMBERS, 0.1, -0.3))) for _ in range(count)]
    if rng.random() < 0.5:
        models = ('plumb_bob', 'equidistant', 'rational_polynomial', text(rng))
        message.distortion_model = models[int(rng.integers(0, len(models)))]


def _info_size(message: Any, rng: Rng) -> None:
    message.width, message.height = (int(number) for number in rng.choice(SIZES, 2))


def _region(message: Any, rng: Rng) -> None:
    region = message.roi
    names = ('x_offset', 'y_offset', 'width', 'height')
    setattr(region, str(rng.choice(names)), int(rng.choice(SIZES)))
    if rng.random() < 0.5:
        message.binning_x, message.binning_y = (int(number) for number in rng.choice(SIZES, 2))
