# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""From a picture's message to a frame."""

from __future__ import annotations

from collections.abc import Callable

from loftr_vo.files.text import printable
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.image_messages import ImageError, PictureReader
from loftr_vo.ros.health import Health
from loftr_vo.ros.inputs import Arrival
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.messages import nanoseconds

_MAX_ENCODING_LENGTH = 60  # characters, in the status


class PictureDecoder:
    """Decodes pictures; what is wrong with one is reported, and the picture left out.

    Args:
        camera: returns the calibration now, for pictures that came before one was known.
        health: where errors are noted.
        log: for errors.
    """

    def __init__(
        self, camera: Callable[[], Camera | None], health: Health, log: LimitedLog
    ) -> None:
        self._camera = camera
        self._health = health
        self._log = log
        self._reader = PictureReader()
        self._tried: list[tuple[Arrival, Frame]] = []

    def frame(self, arrival: Arrival) -> Frame | None:
        """Return the frame of a picture, and keep it until one is taken.

        Returns:
            None where the picture cannot be used.
        """
        decoded = self._decode(arrival)
        if decoded is not None:
            self._tried.append((arrival, decoded))
        return decoded

    def take(self, arrival: Arrival) -> Frame | None:
        """Return the frame of a picture, not decoded again if it was tried; forget the others.

        Returns:
            None where the picture cannot be used.
        """
        tried, self._tried = self._tried, []
        for known, frame in tried:
            if known is arrival:
                return frame
        return self._decode(arrival)

    def _decode(self, arrival: Arrival) -> Frame | None:
        message, camera = arrival.message, arrival.camera or self._camera()
        if camera is None:
            return None
        # Image has an encoding, CompressedImage a format; either may be empty.
        encoding = message.format if hasattr(message, 'format') else message.encoding
        self._health.encoding = printable(encoding, _MAX_ENCODING_LENGTH)
        try:
            frame = Frame(
                self._reader.read(message, camera), nanoseconds(message.header.stamp), camera
            )
        except (ImageError, CalibrationError) as error:
            self._log.error('picture', f'picture left out: {error}')
            self._health.picture_error = str(error)
            return None
        self._health.picture_error = ''
        return frame
