# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Video files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from loftr_vo.datasets.sequence import DatasetError, Sequence, find_camera
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame


class VideoSequence(Sequence):
    """Frames decoded from a video file."""

    def __init__(self, path: Path, camera: Path | None) -> None:
        """Open the video, with the calibration ``camera`` or ``camera.yaml`` beside it.

        Raises:
            DatasetError: the file does not open as a video, or has no calibration.
        """
        super().__init__(path.stem, 'video')
        self.path = path
        video = self._open()
        self._count = max(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        video.release()
        self.camera: Camera = find_camera(path.parent, camera)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        video = self._open()
        try:
            period = 1e9 / (video.get(cv2.CAP_PROP_FPS) or 30.0)
            stamp = -1
            while True:
                found, image = video.read()
                if not found:
                    break
                # Some containers carry no usable times; then the frame rate stands in.
                told = round(video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
                stamp = told if told > stamp else stamp + round(period)
                yield Frame(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), stamp, self.camera)
        finally:
            video.release()
        if stamp < 0:
            raise DatasetError(f'no frame of the video {self.path} decodes')

    def _open(self) -> cv2.VideoCapture:
        video = cv2.VideoCapture(str(self.path))
        if not video.isOpened():
            raise DatasetError(
                f'{self.path} does not open as a video; it is damaged, of another kind, or in a '
                'format that this OpenCV was built without'
            )
        return video
