# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The keyframes that are kept: those in use, and those of older maps for relocalisation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from loftr_vo.config import RecoverySettings
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.tuning import TUNING


@dataclass
class _Map:
    """Keyframes in one system of coordinates, in the order in which they were used.

    Attributes:
        window: those adjusted together; frames are matched with the last.
        before: those that left the window.
        scale_carried: whether its scale is a guess, carried over from the map before.
        archived_at: nanoseconds, when another map replaced it; None while it is in use.
    """

    window: list[Keyframe] = field(default_factory=list)
    before: list[Keyframe] = field(default_factory=list)
    scale_carried: bool = False
    archived_at: int | None = None

    @property
    def keyframes(self) -> list[Keyframe]:
        """All, the oldest first."""
        return self.before + self.window

    def trim(self, length: int) -> None:
        """Keep ``length`` keyframes in the window and as many before it, the newest."""
        self.before = (self.before + self.window[:-length])[-length:]
        self.window = self.window[-length:]

    def make_newest(self, keyframe: Keyframe, length: int) -> None:
        """Go on from a keyframe further back; see ``trim``."""
        if keyframe in self.window:
            self.window.remove(keyframe)
        else:
            # The window stays a chain of neighbours, as bundle adjustment needs it.
            index = self.before.index(keyframe)
            later = self.before[index + 1 :] + self.window
            self.before, self.window = later, self.before[:index]
        self.window.append(keyframe)
        self.trim(length)


class KeyframeStore:
    """A window of keyframes in use, those before it, and older maps.

    Memory is bounded: a window, as many keyframes before it, and the same for each of two old
    maps, which are dropped after a time. Those outside the window are released, so at 640x480
    each takes 0.9 MiB instead of 4.6; to match a frame with one, it is encoded again.
    """

    def __init__(self, settings: RecoverySettings) -> None:
        """Start with no keyframes."""
        self._settings = settings
        self._map = _Map()
        self._old_maps: list[_Map] = []
        self._round_robin_index = 0
        self._thumbnails: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._map.window)

    @property
    def window(self) -> list[Keyframe]:
        """Those refined together, the newest last."""
        return list(self._map.window)

    @property
    def newest(self) -> Keyframe:
        """The one that frames are matched with."""
        return self._map.window[-1]

    @property
    def of_map(self) -> list[Keyframe]:
        """All of the map in use, the newest last."""
        return self._map.keyframes

    @property
    def scale_carried(self) -> bool:
        """Whether the scale of the map in use is a guess, carried over from the map before."""
        return self._map.scale_carried

    def configure(self, settings: RecoverySettings) -> None:
        """Take over changed settings; the newest keyframes stay."""
        self._settings = settings
        for each in (self._map, *self._old_maps):
            each.trim(settings.keyframes)
        self._drop_references()

    def add(self, keyframe: Keyframe) -> None:
        """Add a keyframe as the newest, and drop old maps after ``recovery.remember`` seconds."""
        self._map.window.append(keyframe)
        self._map.trim(self._settings.keyframes)
        oldest = keyframe.frame.stamp - round(self._settings.remember * 1e9)
        self._old_maps = [each for each in self._old_maps if (each.archived_at or 0) >= oldest]
        self._drop_references()

    def start_map(self, stamp: int, keep: bool) -> None:
        """Begin a map without keyframes.

        Args:
            stamp: nanoseconds now.
            keep: whether the map in use is kept as an old one.
        """
        carried = keep or self._map.scale_carried
        if keep and self._settings.remember > 0:
            self._archive_map(stamp)
        self._map = _Map(scale_carried=carried)
        self._drop_references()

    def mark_scale_known(self) -> None:
        """Note that the scale of the map in use is measured."""
        self._map.scale_carried = False

    def drop_old_maps(self) -> None:
        """Drop all maps but the one in use."""
        self._old_maps = []
        self._drop_references()

    def switch_to(self, keyframe: Keyframe, stamp: int) -> bool:
        """Make a keyframe that is kept the newest again.

        Returns:
            Whether it is of another map than the one in use, which becomes an old one.
        """
        changed = keyframe not in self._map.keyframes
        if changed:
            home = next(each for each in self._old_maps if keyframe in each.keyframes)
            self._old_maps.remove(home)
            self._archive_map(stamp)
            self._map, home.archived_at = home, None
        self._map.make_newest(keyframe, self._settings.keyframes)
        self._drop_references()
        return changed

    def candidates(self, image: np.ndarray) -> Iterator[Keyframe]:
        """Yield candidates for relocalisation: the most similar keyframe, and the next in turn.

        Two a frame, so that the cost is bounded. The similar one is found at once, and every other
        within as many frames as there are keyframes.

        Args:
            image: (H, W) uint8, the frame's picture.
        """
        others = [
            keyframe
            for each in (self._map, *self._old_maps)
            for keyframe in reversed(each.keyframes)
            if keyframe is not self.newest
        ]
        yield from self._chosen(others, image)

    def old_candidates(self, image: np.ndarray) -> Iterator[Keyframe]:
        """Return the same of old maps only."""
        yield from self._chosen(
            [keyframe for each in self._old_maps for keyframe in reversed(each.keyframes)], image
        )

    def _chosen(self, keyframes: list[Keyframe], image: np.ndarray) -> Iterator[Keyframe]:
        if not keyframes:
            return
        thumbnail = _thumbnail(image)
        similar = max(
            keyframes, key=lambda each: float(np.sum(thumbnail * self._thumbnail_of(each)))
        )
        # The same one is often the most similar in the next frame too; the other is not.
        self._release(keyframes, keep=similar)
        yield similar
        self._round_robin_index += 1
        next_one = keyframes[self._round_robin_index % len(keyframes)]
        if next_one is not similar:
            yield next_one

    def _thumbnail_of(self, keyframe: Keyframe) -> np.ndarray:
        if keyframe.number not in self._thumbnails:
            self._thumbnails[keyframe.number] = _thumbnail(keyframe.frame.image)
        return self._thumbnails[keyframe.number]

    def _archive_map(self, stamp: int) -> None:
        self._map.archived_at = stamp
        self._old_maps = [*self._old_maps, self._map][-TUNING.max_old_maps :]

    def _drop_references(self) -> None:
        """Drop references to dropped keyframes, which would keep their pictures in memory."""
        kept = [key for each in (self._map, *self._old_maps) for key in each.keyframes]
        numbers = {keyframe.number for keyframe in kept}
        for keyframe in kept:
            keyframe.links = [link for link in keyframe.links if link.other.number in numbers]
        self._thumbnails = {n: seen for n, seen in self._thumbnails.items() if n in numbers}
        self._release(kept)

    def _release(self, keyframes: list[Keyframe], keep: Keyframe | None = None) -> None:
        """Release those that are outside the window, but for ``keep``."""
        for keyframe in keyframes:
            if keyframe is not keep and keyframe not in self._map.window:
                keyframe.release()


def _thumbnail(image: np.ndarray) -> np.ndarray:
    """(12, 16) float64 of unit norm: a small picture, without its brightness and contrast."""
    small = cv2.resize(image, TUNING.thumbnail_size, interpolation=cv2.INTER_AREA)
    blur = TUNING.thumbnail_blur
    smooth = np.asarray(cv2.GaussianBlur(small.astype(np.float64), (0, 0), blur))
    contrast = smooth - smooth.mean()
    return contrast / max(float(np.linalg.norm(contrast)), 1e-9)
