# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loftr_vo.files.output_files import OutputError, write_bytes

if TYPE_CHECKING:
    import numpy as np


def write_picture(path: str | Path, picture: np.ndarray, sync: bool = True) -> None:
    """Write a picture, as OpenCV holds it, in the format that the name ends in.

    Raises:
        OutputError: as ``replacing``, or there is no such format.
    """
    # Imported late: most callers write no pictures.
    import cv2

    check_picture_name(path)
    try:
        done, data = cv2.imencode(Path(path).suffix, picture)
    except cv2.error:
        done = False
    if not done:
        raise OutputError(f'cannot write {path}: the picture does not fit this format')
    write_bytes(path, data.tobytes(), sync)


def check_picture_name(path: str | Path) -> None:
    """Make sure that a name ends in a format of pictures that OpenCV writes.

    Raises:
        OutputError: it does not.
    """
    import cv2

    suffix = Path(path).suffix
    # OpenCV ends the process at a name that is not UTF-8.
    known = len(suffix) > 1 and suffix.isascii() and cv2.haveImageWriter(f'picture{suffix}')
    if not known:
        raise OutputError(f'cannot write {path}; name a .png or .jpg file')
