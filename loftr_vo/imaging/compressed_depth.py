# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images as ``compressed_depth_image_transport`` sends them: PNG or RVL behind a header."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from loftr_vo.files.text import quoted
from loftr_vo.imaging.image_decoding import AS_STORED, ImageError, check_size, decode_picture

_MILLIMETRE = np.float32(1e-3)
# The method of compression, which is in the text of the format too, and the two parameters of the
# quantisation of 32FC1.
_HEADER = struct.Struct('<iff')
_RVL_SIZE = struct.Struct('<II')
# Nibbles of a number of 32 bits in RVL, three bits each.
_MOST_NIBBLES = 11


def is_compressed_depth(form: str) -> bool:
    """Whether the ``format`` of a ``CompressedImage`` says that it is a depth image (REP 118).

    Besides what ``compressed_depth_image_transport`` sends these are PNG files of 16UC1.
    """
    return 'compressedDepth' in form or form.startswith('16UC1;')


def decompress_depth(message: Any) -> np.ndarray:
    """Return a compressed depth image in metres, (H, W) float32, 0 or NaN where unknown.

    Args:
        message: a ``CompressedImage`` whose format is as ``16UC1; compressedDepth png``, ``32FC1;
            compressedDepth rvl``, or without the last word, as old versions have it, for PNG.

    Raises:
        ImageError: another format, damaged, or too large.
    """
    form, data = message.format, bytes(message.data)
    what = f'the compressed depth image (format {quoted(form)})'
    encoding, _, method = (word.strip() for word in form.partition(';'))
    if encoding not in ('16UC1', '32FC1') or not is_compressed_depth(form):
        raise ImageError(
            f'{what} is not supported; supported are "16UC1; compressedDepth" and "32FC1; '
            'compressedDepth", with or without png or rvl after it'
        )
    scale = shift = 0.0
    if 'compressedDepth' in method:
        if len(data) < _HEADER.size:
            raise ImageError(f'{what} ends within its header')
        _, scale, shift = _HEADER.unpack_from(data)
        data = data[_HEADER.size :]
    values = _rvl(data, what) if method.endswith('rvl') else _png(data, what)
    if encoding == '16UC1':
        return values.astype(np.float32) * _MILLIMETRE
    return _from_inverse_depth(values, scale, shift)


def _png(data: bytes, what: str) -> np.ndarray:
    values = decode_picture(data, AS_STORED, None, what)
    if values.ndim != 2 or values.dtype != np.uint16:
        raise ImageError(f'{what} needs one channel of 16 bits, and has {values.dtype}')
    return values


def _from_inverse_depth(values: np.ndarray, scale: float, shift: float) -> np.ndarray:
    """Undo the quantisation: a value is ``scale / depth + shift``, 0 where unknown."""
    with np.errstate(divide='ignore'):
        depth = np.float32(scale) / (values.astype(np.float32) - np.float32(shift))
    return np.where((values > 0) & np.isfinite(depth), depth, np.float32(0.0))


def _rvl(data: bytes, what: str) -> np.ndarray:
    """Decode RVL (Wilson, Fast Lossless Depth Image Compression, 2017) behind its size.

    The image is runs of zeros and of values in turn: the number of zeros, the number of values,
    and of each value its difference from the one before, as a number without a sign.
    """
    if len(data) < _RVL_SIZE.size:
        raise ImageError(f'{what} ends within its size')
    width, height = _RVL_SIZE.unpack_from(data)
    if not width or not height:
        raise ImageError(f'{what} is empty')
    check_size((height, width), None)
    numbers = _variable_length_numbers(data[_RVL_SIZE.size :], what)
    count = width * height
    differences, places = [], []
    at = index = 0
    while at < count:
        if index + 1 >= len(numbers):
            raise ImageError(f'{what} ends after {at} of {count} pixels')
        zeros, values = int(numbers[index]), int(numbers[index + 1])
        index += 2
        at += zeros
        if at + values > count or index + values > len(numbers) or not zeros + values:
            raise ImageError(f'{what} is damaged at pixel {at} of {count}')
        differences.append(numbers[index : index + values])
        places.append(np.arange(at, at + values))
        index, at = index + values, at + values
    unsigned = np.concatenate(differences)
    depth = np.zeros(count, np.uint16)
    # The sign is in the lowest bit. What is no number of 16 bits is damaged, and as good as any.
    depth[np.concatenate(places)] = np.cumsum((unsigned >> 1) ^ -(unsigned & 1)) & 0xFFFF
    return depth.reshape(height, width)


def _variable_length_numbers(data: bytes, what: str) -> np.ndarray:
    """Return the numbers (N,) int64 in words of 8 nibbles, the first in the highest bits.

    A nibble holds three bits of a number, the lowest first, and whether more of it follow.
    """
    words = np.frombuffer(data[: len(data) // 4 * 4], '<u4')
    nibbles = (words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 0xF
    nibbles = nibbles.ravel().astype(np.int64)
    last = np.flatnonzero(nibbles < 8)
    if not last.size:
        return np.zeros(0, np.int64)
    nibbles = nibbles[: last[-1] + 1]
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > _MOST_NIBBLES:
        raise ImageError(f'{what} is damaged: a number has {lengths.max()} nibbles')
    place = np.arange(len(nibbles)) - np.repeat(first, lengths)
    return np.add.reduceat((nibbles & 7) << 3 * place, first)
