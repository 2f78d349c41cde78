# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of compressed pictures, after their size was checked."""

from __future__ import annotations

import cv2
import numpy as np

from loftr_vo.files.errors import InputError, naming
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.image_header import KINDS, MOST_PIXELS, picture_size

# A calibration is of the picture as the sensor gave it, so an EXIF rotation is not applied.
GREY_ANY_DEPTH = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
AS_STORED = cv2.IMREAD_UNCHANGED


class ImageError(InputError):
    """A message or file does not decode as a picture; the message is the reason."""


def decode_picture(
    data: bytes | np.ndarray, flags: int, camera: Camera | None, what: str
) -> np.ndarray:
    """Return the pixels of a picture file, if the size in its header is allowed.

    Args:
        data: what the file holds.
        flags: how OpenCV decodes it, one of those above.
        camera: that took it; None where that is not known. Then ``MOST_PIXELS`` is the limit.
        what: it is, for errors: the file, say.

    Returns:
        (H, W) or (H, W, channels), of the type that the flags lead to.

    Raises:
        ImageError: it is of no kind that is known, damaged, or too large.
        CalibrationError: the calibration is for another size.
    """
    pixels = np.frombuffer(data, np.uint8)
    size = picture_size(pixels.data)
    if size is None:
        raise ImageError(
            f'{what} does not decode as a picture: its {pixels.size} bytes are damaged, or no '
            f'{KINDS}'
        )
    with naming(what, ImageError):
        check_size(size, camera)
    try:
        picture = cv2.imdecode(pixels, flags)
    except (cv2.error, MemoryError):
        picture = None
    if picture is None or picture.shape[:2] != size:
        raise ImageError(
            f'{what} does not decode: its {pixels.size} bytes begin as a picture of '
            f'{size[1]}x{size[0]} pixels, and are damaged'
        )
    return picture


def check_size(size: tuple[int, int], camera: Camera | None) -> None:
    """Make sure that a picture of a size, (height, width), may be decoded.

    Raises:
        ImageError: it has more than ``MOST_PIXELS``.
        CalibrationError: it is not of the size that the calibration is for.
    """
    if camera is not None:
        camera.check_size(size)
    height, width = size
    if height * width > MOST_PIXELS:
        raise ImageError(
            f'the picture has {width}x{height} pixels, more than the {MOST_PIXELS} that are '
            'decoded'
        )
