# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Prefetching: encoding and matching are started before their results are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.matching.matcher import Matcher
from loftr_vo.matching.matches import Matches, PendingMatches
from loftr_vo.matching.working_size import PictureError

# The frame in processing and the next one.
_FRAMES = 2


@dataclass
class _Started:
    """The work started for a frame."""

    frame: Frame
    encoded: EncodedImage
    keyframe: EncodedImage | None = None
    matches: PendingMatches | None = None


class Prefetch:
    """Encodes frames, and matches them with the present keyframe, ahead of time.

    The keyframe of a frame is known only when the frame before it is done. The match is started
    with the present one speculatively, and repeated if the keyframe changes.

    Args:
        matcher: returns the matcher.
    """

    def __init__(self, matcher: Callable[[], Matcher]) -> None:
        self._matcher = matcher
        self._started: deque[_Started] = deque(maxlen=_FRAMES)

    def forget(self) -> None:
        """Drop all started work."""
        self._started.clear()

    def start(self, frame: Frame, keyframe: EncodedImage | None) -> None:
        """Start to encode a frame, and to match it if there is a keyframe.

        A frame that cannot be matched is skipped; ``encoded`` raises the error later.
        """
        try:
            started = self._find(frame)
        except PictureError:
            return
        if keyframe is not None and started.matches is None:
            started.keyframe = keyframe
            started.matches = self._matcher().match(keyframe, started.encoded)

    def encoded_later(self, frame: Frame) -> EncodedImage:
        """Return a frame's features, computed only if they are asked for.

        Raises:
            PictureError: a picture too small to match.
        """
        return self._find(frame, now=False).encoded

    def encoded(self, frame: Frame) -> EncodedImage:
        """Return a frame's features, possibly still in computation.

        Raises:
            PictureError: a picture too small to match.
        """
        return self._find(frame).encoded

    def matches(self, keyframe: EncodedImage, frame: Frame) -> Matches:
        """Return the matches of the keyframe with a frame, waiting for them.

        Raises:
            DeviceLostError: the device failed.
        """
        started = self._find(frame)
        if started.matches is not None and started.keyframe is keyframe:
            return started.matches.result()
        return self._matcher().match(keyframe, started.encoded).result()

    def _find(self, frame: Frame, *, now: bool = True) -> _Started:
        for started in self._started:
            if started.frame is frame:
                return started
        matcher = self._matcher()
        encode = matcher.encode if now else matcher.encode_later
        self._started.append(_Started(frame, encode(frame.image)))
        return self._started[-1]
