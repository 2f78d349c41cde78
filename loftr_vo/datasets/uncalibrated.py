# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a camera that is not calibrated yet: of a video, or of a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from loftr_vo.datasets.image_files import SUFFIXES, read_grey
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.datasets.video import capture


def grey_pictures(path: Path, most: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield pictures of a recording, spread evenly over it, with their numbers.

    Args:
        path: a video, or a folder of pictures.
        most: how many at most; of a video whose length is not known, all.

    Yields:
        the picture's number from 0, and (H, W) uint8.

    Raises:
        DatasetError: there is nothing at ``path``, or nothing in it that decodes.
    """
    if path.is_dir():
        yield from _of_folder(path, most)
    else:
        yield from _of_video(path, most)


def _of_folder(path: Path, most: int) -> Iterator[tuple[int, np.ndarray]]:
    files = sorted(child for child in path.iterdir() if child.suffix.lower() in SUFFIXES)
    if not files:
        raise DatasetError(f'{path} has no pictures ({", ".join(SUFFIXES)})')
    for number in range(0, len(files), _step(len(files), most)):
        yield number, read_grey(files[number])


def _of_video(path: Path, most: int) -> Iterator[tuple[int, np.ndarray]]:
    video = capture(path)
    try:
        step = _step(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), most)
        number = 0
        # Frames in between are not converted, but must be decoded: seeking is not exact.
        while video.grab():
            if number % step == 0:
                found, image = video.retrieve()
                if found:
                    yield number, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            number += 1
    finally:
        video.release()
    if number == 0:
        raise DatasetError(
            f'{path} does not open as a video; it is damaged, of another kind, or in a format '
            'that this OpenCV was built without'
        )


def _step(count: int, most: int) -> int:
    return max(1, -(-count // most))
