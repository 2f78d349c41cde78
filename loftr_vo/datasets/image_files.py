# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Grey pictures from files and from their bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.files.regular_file import read_bytes
from loftr_vo.imaging.bit_depth import BitDepthReduction
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.image_decoding import GREY_ANY_DEPTH, ImageError, decode_picture

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.pgm', '.ppm', '.tif', '.tiff', '.webp')


class GreyReader:
    """Reads picture files of one camera, in the order of time, as grey pictures."""

    def __init__(self) -> None:
        self._bit_depth = BitDepthReduction()

    def read(self, path: Path, camera: Camera | None = None) -> np.ndarray:
        """Return a picture file as (H, W) uint8, its pixels as stored (no turning by EXIF).

        Args:
            path: the file.
            camera: that took it, whose pictures are of one size; None where that is not known.

        Raises:
            DatasetError: the file is absent, no picture of 8 or 16 bits, or too large.
            CalibrationError: it has another size than the calibration is for.
        """
        picture = read_picture(path, GREY_ANY_DEPTH, camera)
        if picture.dtype not in (np.uint8, np.uint16):
            raise DatasetError(f'{path} has pixels of {picture.dtype}; 8 or 16 bits are needed')
        return self._bit_depth.reduce(picture)


def read_grey(path: Path, camera: Camera | None = None) -> np.ndarray:
    """Return one picture file as a grey picture; see ``GreyReader.read``."""
    return GreyReader().read(path, camera)


def read_picture(path: Path, flags: int, camera: Camera | None) -> np.ndarray:
    """Return a picture file as ``decode_picture`` does; raises as ``GreyReader.read``."""
    data = read_bytes(path, DatasetError)
    try:
        return decode_picture(data, flags, camera, str(path))
    except ImageError as error:
        raise DatasetError(str(error)) from error
