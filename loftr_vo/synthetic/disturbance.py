# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Temporary disturbances of a camera: a covered lens, darkness, being carried away."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from loftr_vo.datasets.sequence import Sequence
from loftr_vo.imaging.frame import Frame

Disturbance = Callable[[Frame, np.random.Generator], Frame]
"""Maps a frame to the disturbed one; the generator is separate for each frame."""

_SENSOR_NOISE = 1.5  # grey levels


class DisturbedSequence(Sequence):
    """A sequence of which some frames are disturbed; the true poses stay.

    Args:
        sequence: the frames.
        disturbance: applied to them.
        first, last: index of the first disturbed frame, and of the first after it.
        seed: of the disturbance's noise.
    """

    def __init__(
        self, sequence: Sequence, disturbance: Disturbance, first: int, last: int, seed: int = 0
    ) -> None:
        self._sequence = sequence
        self._disturbance = disturbance
        self._when = range(first, last)
        self._seed = seed
        super().__init__(sequence.name, sequence.kind, sequence.ground_truth)

    def __len__(self) -> int:
        return len(self._sequence)

    def __iter__(self) -> Iterator[Frame]:
        for index, frame in enumerate(self._sequence):
            disturbed = index in self._when
            rng = np.random.default_rng([self._seed, index])
            yield self._disturbance(frame, rng) if disturbed else frame


def darkened(frame: Frame, rng: np.random.Generator) -> Frame:
    """Return a frame without light."""
    return _replaced(frame, np.zeros(frame.image.shape), rng)


def dazzled(frame: Frame, rng: np.random.Generator) -> Frame:
    """Return an overexposed frame."""
    return _replaced(frame, np.full(frame.image.shape, 265.0), rng)


def smeared(frame: Frame, rng: np.random.Generator) -> Frame:
    """Return a frame blurred over a third of its width."""
    length = frame.image.shape[1] // 3
    smear = cv2.blur(frame.image.astype(np.float32), (length, length // 4))
    return _replaced(frame, smear, rng)


def covered(share: float = 1.0) -> Disturbance:
    """Cover a share of the view from the left, by a smooth object before the lens."""

    def disturb(frame: Frame, rng: np.random.Generator) -> Frame:
        height, width = frame.image.shape
        y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
        hand = 55 + 60 * x - 35 * y**2 + 15 * np.sin(3 * x * y)
        # The object is out of focus, so its edge is soft.
        opacity = np.clip((share - x) / 0.15 + 0.5, 0.0, 1.0) if share < 1 else np.ones_like(x)
        return _replaced(frame, hand * opacity + frame.image * (1 - opacity), rng)

    return disturb


def carried_to(place: Sequence) -> Disturbance:
    """Show the frames of another sequence instead, from its first on."""
    there = iter(place)

    def disturb(frame: Frame, rng: np.random.Generator) -> Frame:
        return dataclasses.replace(frame, image=next(there).image)

    return disturb


def _replaced(frame: Frame, light: np.ndarray, rng: np.random.Generator) -> Frame:
    noisy = light + rng.normal(0.0, _SENSOR_NOISE, light.shape)
    image = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    return dataclasses.replace(frame, image=image)
