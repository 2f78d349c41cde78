# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The first steps of a frame: encoding by the network, and contrast normalisation."""

from __future__ import annotations

from collections.abc import Callable

from loftr_vo.config import GeometrySettings
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.matching.matcher import Matcher
from loftr_vo.matching.prefetch import Prefetch
from loftr_vo.odometry.odometry_state import (
    OdometryState,
)
from loftr_vo.odometry.tracking.keyframe_tracks import depth_was_carried
from loftr_vo.odometry.tracking.tracked_cells import TrackedCells


class FrameEncoding:
    """Starts the network on a frame, or selects cells to track instead.

    Args:
        state: of the odometry; it is read only.
        prefetch: gives features and matches.
        matcher: returns the network.
        settings: thresholds.
        live: see ``VisualOdometry.live``.
    """

    def __init__(
        self,
        state: OdometryState,
        prefetch: Prefetch,
        matcher: Callable[[], Matcher],
        settings: GeometrySettings,
        *,
        live: bool,
    ) -> None:
        self._state = state
        self._prefetch = prefetch
        self._matcher = matcher
        self._settings = settings
        self._live = live

    def tracked_cells(self) -> TrackedCells | None:
        """Cells of the keyframe to track from the last frame; None if the network is to match."""
        state = self._state
        if state.relocalisation.lost or not state.keyframes:
            return None
        if self._matcher().sees_every_frame or not self._settings.refine_matches:
            return None
        last, keyframe = state.last_tracked, state.keyframe
        if keyframe.frame.stamp == state.last_stamp:
            carried = not state.initialised or depth_was_carried(keyframe, live=self._live)
            return TrackedCells.in_itself(keyframe) if carried else None
        if last is None or last.keyframe is not keyframe:
            return None
        return TrackedCells.by(last.frame, last.motion)

    def encode(self, frame: Frame, upcoming: Frame | None, *, later: bool) -> EncodedImage:
        """Start the network on this frame and on the next one, if that is there.

        Args:
            frame: the frame.
            upcoming: the one after it, if it is there already.
            later: whether the frame may be tracked: then the network starts when it is needed.

        Raises:
            PictureError: the picture is too small to match.
        """
        if later:
            return self._prefetch.encoded_later(frame)
        encoded = self._prefetch.encoded(frame)
        keyframe = self._state.keyframe.encoded if self._state.keyframes else None
        self._prefetch.start(frame, keyframe)
        if upcoming is not None:
            # On a device of its own, work that turns out unneeded costs nothing.
            guess = keyframe if self._matcher().can_speculate else None
            self._prefetch.start(upcoming, guess)
        return encoded

    def normalise_contrast(self, frame: Frame) -> None:
        """Normalise the picture for Lucas-Kanade, while the network runs."""
        if self._settings.refine_matches:
            _ = frame.normalised
