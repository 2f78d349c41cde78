# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Video files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2

from loftr_vo.datasets.sequence import DatasetError, Sequence, find_camera
from loftr_vo.files.errors import naming
from loftr_vo.files.regular_file import check_regular
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.image_decoding import check_size


class VideoSequence(Sequence):
    """Frames decoded from a video file."""

    def __init__(self, path: Path, camera: Path | None) -> None:
        """Open the video, with the calibration ``camera`` or ``camera.yaml`` beside it.

        Raises:
            DatasetError: the file does not open as a video, or has no calibration.
            CalibrationError: the calibration is for another size.
        """
        super().__init__(path.stem, 'video')
        self._video = path
        video = self._open()
        self._count = max(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        self.camera: Camera = find_camera(path.parent, camera)
        self._check(video)
        video.release()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        video = self._open()
        try:
            self._check(video)
            period = 1e9 / (video.get(cv2.CAP_PROP_FPS) or 30.0)
            stamp = -1
            while True:
                found, image = video.read()
                if not found:
                    break
                # Some containers have no usable times; then the frame rate is used.
                told = round(video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
                stamp = told if told > stamp else stamp + round(period)
                with naming(self._video, DatasetError):
                    frame = Frame(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), stamp, self.camera)
                yield frame
        finally:
            video.release()
        if stamp < 0:
            raise DatasetError(f'no frame of the video {self._video} decodes')

    def _open(self) -> cv2.VideoCapture:
        video = capture(self._video)
        if not video.isOpened():
            raise DatasetError(
                f'{self._video} does not open as a video; it is damaged, of another kind, or in a '
                'format that this OpenCV was built without'
            )
        return video

    def _check(self, video: cv2.VideoCapture) -> None:
        """Check the size in the container against the calibration."""
        sides = (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)
        height, width = (int(video.get(side)) for side in sides)
        with naming(self._video, DatasetError):
            check_size((height, width), self.camera)


def capture(path: Path) -> cv2.VideoCapture:
    """Open a video by a name of our own.

    OpenCV ends the process where a name is not UTF-8, and takes those with a % or a colon for
    lists of pictures and addresses.
    """
    check_regular(path, DatasetError)
    suffix = path.suffix if path.suffix.isascii() and path.suffix[1:].isalnum() else ''
    with tempfile.TemporaryDirectory(prefix='loftr_vo-') as folder:
        link = os.path.join(folder, f'video{suffix}')
        os.symlink(path.resolve(), link)
        return cv2.VideoCapture(link)
