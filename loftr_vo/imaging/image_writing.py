# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures into files. OpenCV makes the bytes and Python opens the file, by whatever name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from loftr_vo.files.names import printable


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture as the ending of the name says, into a folder that is there.

    OpenCV is not given the name: one that is not UTF-8 ends the process. So would the ending.

    Raises:
        OSError: the file cannot be written, or the ending is of no kind of picture.
    """
    try:
        done, data = cv2.imencode(printable(path.suffix), picture)
    except cv2.error:
        done = False
    if not done:
        raise OSError(f'cannot write {path}; name a .png or .jpg file')
    with path.open('wb') as file:
        file.write(data.tobytes())
