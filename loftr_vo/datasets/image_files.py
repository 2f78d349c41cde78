# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Grey pictures from files and from their bytes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from loftr_vo.datasets.sequence import DatasetError

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.pgm', '.ppm', '.tif', '.tiff', '.webp')


def read_grey(path: Path) -> np.ndarray:
    """Return a picture file as (H, W) uint8, its pixels as stored (no turning by EXIF).

    Raises:
        DatasetError: the file is absent or no picture.
    """
    if not path.is_file():
        raise DatasetError(f'there is no picture {path}')
    data = np.fromfile(path, np.uint8)
    image = decode_grey(data)
    if image is None:
        raise DatasetError(
            f'{path} does not decode as a picture; it is damaged or of another kind'
        )
    return image


def decode_grey(data: np.ndarray) -> np.ndarray | None:
    """Return the bytes of a picture file as (H, W) uint8, or None if they are no picture."""
    if data.size == 0:
        return None
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
