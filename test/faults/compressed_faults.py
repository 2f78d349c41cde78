# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed pictures that do not decode, or that had better not be decoded."""

import functools
import struct
import time
import zlib

import cv2
import numpy as np
from fault import fault

KIND = 'compressed'
GIF = (
    b'GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00'
    b',\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;'
)


def png(picture):
    """Return a picture as the bytes of a PNG."""
    return cv2.imencode('.png', picture)[1].tobytes()


def chunk(name, data):
    """Return a chunk of a PNG with its checksum."""
    checksum = zlib.crc32(name + data)
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', checksum)


@functools.cache
def blank_png(width, height, rows):
    """Return a grey PNG of any size that holds some black rows of it."""
    size = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b'IDAT', zlib.compress(bytes(rows * (width + 1))))
    return b'\x89PNG\r\n\x1a\n' + size + pixels + chunk(b'IEND', b'')


@fault(KIND, 'a decompression bomb: 100 MB of pixels in a PNG of 100 kB', 'calibration is for')
def bomb(rig):
    picture = rig.compressed(blank_png(10_000, 10_000, 10_000))
    rig.began = time.monotonic()
    rig.show(picture)


@fault(KIND, 'a PNG whose header says 2^31 - 1 squared', '2147483647x2147483647')
def endless_png(rig):
    rig.show(rig.compressed(blank_png(2**31 - 1, 2**31 - 1, 0)))


@fault(KIND, 'a PGM whose header says 60000x60000', '60000x60000')
def endless_pgm(rig):
    rig.show(rig.compressed(b'P5 60000 60000 255\n' + bytes(100), 'pgm'))


@fault(KIND, 'a PNG cut off in its header', 'not decode')
def headless_png(rig):
    rig.show(rig.compressed(png(rig.picture())[:20]))


@fault(KIND, 'a PNG cut off in its middle', 'and are damaged')
def half_a_png(rig):
    data = png(rig.picture())
    rig.show(rig.compressed(data[: len(data) // 10]))


@fault(KIND, 'a JPEG cut off in its middle', 'and are damaged')
def half_a_jpeg(rig):
    data = cv2.imencode('.jpg', rig.picture())[1].tobytes()
    rig.show(rig.compressed(data[: len(data) // 4], 'jpeg'))


@fault(KIND, 'a JPEG with a byte in eight overwritten', 'lost: ')
def damaged_jpeg(rig):
    data = bytearray(cv2.imencode('.jpg', rig.picture())[1].tobytes())
    data[700::8] = bytes(len(data[700::8]))
    rig.show(rig.compressed(bytes(data), 'jpeg'))


@fault(KIND, 'a GIF of one pixel', "(format 'gif')")
def gif(rig):
    rig.show(rig.compressed(GIF, 'gif'))


@fault(KIND, 'no bytes at all', '0 bytes')
def no_bytes(rig):
    rig.show(rig.compressed(b''))


@fault(KIND, 'bytes that are no picture', 'not decode')
def garbage(rig):
    rig.show(rig.compressed(np.random.default_rng(0).bytes(5000)))


@fault(KIND, 'a picture of floating point numbers (TIFF)', 'pixels of float32')
def floats(rig):
    picture = rig.picture().astype(np.float32)
    picture[0, 0] = np.nan
    rig.show(rig.compressed(cv2.imencode('.tiff', picture)[1].tobytes(), 'tiff'))


@fault(KIND, 'a PNG of half the size that is calibrated for', 'but the calibration is for')
def half_the_size(rig):
    rig.show(rig.compressed(png(np.ascontiguousarray(rig.picture()[::2, ::2]))))


@fault(KIND, 'garbage whose format has 100,000 characters', 'not decode')
def long_format(rig):
    rig.show(rig.compressed(b'garbage', 'x' * 100_000))
