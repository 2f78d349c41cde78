# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages as arrays: every encoding that cameras send becomes a grey picture."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from loftr_vo.files.text import quoted
from loftr_vo.imaging.bit_depth import BitDepthReduction
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.compressed_depth import decompress_depth
from loftr_vo.imaging.image_decoding import GREY_ANY_DEPTH, ImageError, decode_picture

__all__ = ['ImageError', 'PictureReader', 'depth_image', 'grey_image']

# What turns an encoding of 8 bits grey; None where it is grey as it comes.
_TO_GREY: dict[str, int | None] = {
    'mono8': None,
    '8UC1': None,
    'rgb8': cv2.COLOR_RGB2GRAY,
    'rgba8': cv2.COLOR_RGBA2GRAY,
    'bgr8': cv2.COLOR_BGR2GRAY,
    'bgra8': cv2.COLOR_BGRA2GRAY,
    '8UC3': cv2.COLOR_BGR2GRAY,
    '8UC4': cv2.COLOR_BGRA2GRAY,
    # OpenCV names a pattern by its second row's second and third pixel; its names by the first
    # two rows came after 4.5.4, which Ubuntu 22.04 has.
    'bayer_rggb8': cv2.COLOR_BayerBG2GRAY,
    'bayer_bggr8': cv2.COLOR_BayerRG2GRAY,
    'bayer_gbrg8': cv2.COLOR_BayerGR2GRAY,
    'bayer_grbg8': cv2.COLOR_BayerGB2GRAY,
    'uyvy': cv2.COLOR_YUV2GRAY_UYVY,
    'yuv422': cv2.COLOR_YUV2GRAY_UYVY,
    'yuyv': cv2.COLOR_YUV2GRAY_YUYV,
    'yuv422_yuy2': cv2.COLOR_YUV2GRAY_YUYV,
}
# Encodings of 16 bits and the same with 8.
_WIDE = {
    '16UC1': '8UC1',
    '16UC3': '8UC3',
    '16UC4': '8UC4',
    **{name[:-1] + '16': name for name in _TO_GREY if name.endswith('8')},
}
# Encodings that begin with a whole plane of luma, which is all that is needed of them.
_PLANAR = ('nv12', 'nv21')


class PictureReader:
    """Reads the image messages of one stream as grey pictures; see ``BitDepthReduction``."""

    def __init__(self) -> None:
        self._bit_depth = BitDepthReduction()

    def read(self, message: Any, camera: Camera | None = None) -> np.ndarray:
        """Return a ``sensor_msgs/Image`` or ``CompressedImage`` as a grey picture.

        Args:
            message: the message.
            camera: that took it, where it is known: a compressed picture of another size is not
                decoded.

        Returns:
            (H, W) uint8.

        Raises:
            ImageError: the encoding is not known, or the data is too short or does not decode.
            CalibrationError: a compressed picture is not of the size that the calibration is for.
        """
        if hasattr(message, 'format'):
            return self._bit_depth.reduce(_decompress(message, camera))
        encoding = 'mono8' if message.encoding in _PLANAR else message.encoding
        narrow = _WIDE.get(encoding, encoding)
        if narrow not in _TO_GREY:
            known = ', '.join([*_TO_GREY, *_WIDE, *_PLANAR])
            raise ImageError(
                f'the image encoding {quoted(message.encoding)} is not supported; '
                f'supported are {known}'
            )
        picture = self._bit_depth.reduce(_array(message, encoding))
        code = _TO_GREY[narrow]
        return picture if code is None else cv2.cvtColor(picture, code)


def grey_image(message: Any) -> np.ndarray:
    """Return one image message as a grey picture; see ``PictureReader``."""
    return PictureReader().read(message)


def depth_image(message: Any) -> np.ndarray:
    """Return a depth image message (REP 118) in metres.

    Args:
        message: a ``sensor_msgs/Image``, 16UC1 or mono16 in millimetres or 32FC1 in metres; or a
            ``CompressedImage``, see ``decompress_depth``.

    Returns:
        (H, W) float32 metres, 0 or NaN where unknown.

    Raises:
        ImageError: another encoding, or too little data.
    """
    if hasattr(message, 'format'):
        return decompress_depth(message)
    if message.encoding in ('16UC1', 'mono16'):
        return _array(message, '16UC1').astype(np.float32) / np.float32(1000.0)
    if message.encoding == '32FC1':
        return _array(message, '32FC1')
    raise ImageError(
        f'the depth encoding {quoted(message.encoding)} is not supported; '
        'supported are 16UC1 (millimetres) and 32FC1 (metres)'
    )


def _decompress(message: Any, camera: Camera | None) -> np.ndarray:
    data = np.frombuffer(message.data, np.uint8)
    what = f'the compressed image (format {quoted(message.format)})'
    picture = decode_picture(data, GREY_ANY_DEPTH, camera, what)
    if picture.dtype not in (np.uint8, np.uint16):
        raise ImageError(f'{what} has pixels of {picture.dtype}; 8 or 16 bits are needed')
    return picture


def _array(message: Any, encoding: str) -> np.ndarray:
    """Return the pixels as they are: (H, W) or (H, W, channels) of the encoding's type."""
    pixels = SimpleNamespace(
        encoding=encoding,
        height=message.height,
        width=message.width,
        step=message.width * _pixel_size(encoding),
        is_bigendian=message.is_bigendian,
    )
    pixels.data = _without_padding(message, pixels.step)
    return _converter()(pixels)


def _without_padding(message: Any, row: int) -> Any:
    """Return the data with each line cut to the ``row`` bytes that hold pixels."""
    size = f'{message.width}x{message.height} pixels in {message.encoding}'
    if not message.width or not message.height:
        raise ImageError(f'the picture is empty ({size})')
    if message.step < row:
        raise ImageError(f'a line of {size} takes {row} bytes, but step is {message.step}')
    data = np.frombuffer(message.data, np.uint8)
    needed = (message.height - 1) * message.step + row
    if data.size < needed:
        raise ImageError(
            f'{size} with step {message.step} take {needed} bytes, but the data has {data.size}'
        )
    if message.step == row:
        return message.data
    lines = np.lib.stride_tricks.as_strided(data, (message.height, row), (message.step, 1))
    return lines.tobytes()


@functools.cache
def _pixel_size(encoding: str) -> int:
    pixel = _converter()(_one_pixel(encoding))
    return pixel.itemsize * (pixel.shape[2] if pixel.ndim == 3 else 1)


def _one_pixel(encoding: str) -> SimpleNamespace:
    # 32 bytes are enough for any pixel; no converter minds more data than it needs.
    return SimpleNamespace(
        encoding=encoding, height=1, width=1, step=32, is_bigendian=0, data=bytes(32)
    )


@functools.cache
def _converter() -> Callable[[Any], np.ndarray]:
    """Return what reads an image message: cv_bridge if it works here, else rosbags-image."""
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        # Where it was built against another numpy it imports, and fails only at work.
        bridge.imgmsg_to_cv2(_one_pixel('bgr8'), 'passthrough')
    except Exception:
        from rosbags.image import message_to_cvimage

        return message_to_cvimage
    return functools.partial(bridge.imgmsg_to_cv2, desired_encoding='passthrough')
