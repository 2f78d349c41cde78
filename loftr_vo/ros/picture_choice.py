# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Which of the pictures that wait is worked on next, where not all can be."""

from __future__ import annotations

from typing import Any

from loftr_vo.ros.inputs import Arrival
from loftr_vo.ros.picture_decoder import PictureDecoder

# Pictures that may wait: half a second of a camera at 30 Hz, which the network takes for a match
# on slow cores. Sixteen raw pictures of 640x480 in colour are 15 MB; of larger ones fewer wait.
WAITING_PICTURES = 16
WAITING_BYTES = 32 << 20


def message_size(arrival: Arrival) -> int:
    """Bytes of a picture as it came."""
    return len(arrival.message.data)


class PictureChoice:
    """Chooses the newest picture that can be tracked from the last frame without the network.

    While the network works, a camera moves on. From the last frame to the newest it may have moved
    too far to be tracked, so that the network had to match that picture, too, and the next one
    again: a node that fell behind once would not catch up. A picture in between is near enough.
    Halving the number of pictures to go finds one in few trials. Where not even the oldest can be
    tracked, the newest is taken, and the network matches it.

    Args:
        odometry: a ``VisualOdometry``.
        decoder: of the pictures.
    """

    def __init__(self, odometry: Any, decoder: PictureDecoder) -> None:
        self._odometry = odometry
        self._decoder = decoder

    def __call__(self, waiting: list[Arrival]) -> int:
        """Return the index of the picture to work on.

        Args:
            waiting: pictures, the oldest first.
        """
        newest = index = len(waiting) - 1
        while True:
            frame = self._decoder.frame(waiting[index])
            if frame is None:
                return newest
            if self._odometry.can_track(frame):
                return index
            if index == 0:
                return newest
            index //= 2
