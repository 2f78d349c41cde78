# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pairs of pictures that methods are compared on, with their true motion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from loftr_vo.datasets import open_sequence
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.synthetic.sequence import SyntheticSequence

_ROOM_SIZE = (480, 640)
_ROOM_APART = 5  # frames
_ROOM_STARTS = (0, 12, 24, 36)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two pictures of one camera.

    Attributes:
        image0, image1: (H, W) uint8.
        camera: of both.
        motion: (4, 4) second camera from first, in any unit of length.
    """

    image0: np.ndarray
    image1: np.ndarray
    camera: Camera
    motion: np.ndarray


def sequence_pairs(path: Path, apart: int, most: int) -> list[Pair]:
    """Return pairs of frames that are ``apart`` frames apart, at most ``most``, evenly chosen.

    Every frame needs a true pose of its own time (within a millisecond).
    """
    sequence = open_sequence(path)
    truth = sequence.ground_truth
    if truth is None:
        raise ValueError(f'{path} has no ground truth')
    frames = list(sequence)
    starts = np.linspace(0, len(frames) - apart - 1, min(most, len(frames) - apart))
    pairs = []
    for start in starts.round().astype(int).tolist():
        pairs.append(_pair(frames[start], frames[start + apart], truth))
    return pairs


def rendered_pairs(most: int) -> list[Pair]:
    """Return ray-cast pairs of furnished rooms, at most ``most``, a few of each room."""
    return list(itertools.islice(_pairs_of_rooms(), most))


def _pairs_of_rooms() -> Iterator[Pair]:
    for seed in itertools.count():
        room = SyntheticSequence('room', _ROOM_STARTS[-1] + _ROOM_APART + 1, _ROOM_SIZE, seed=seed)
        assert room.ground_truth is not None  # rendered scenes have it
        for start in _ROOM_STARTS:
            first, second = (room.frame(index) for index in (start, start + _ROOM_APART))
            yield _pair(first, second, room.ground_truth)


def _pair(first: Frame, second: Frame, truth: Trajectory) -> Pair:
    poses = [_pose_at(truth.stamps, truth.poses, frame) for frame in (first, second)]
    motion = np.linalg.inv(poses[1]) @ poses[0]
    return Pair(first.image, second.image, first.camera, motion)


def _pose_at(stamps: np.ndarray, poses: np.ndarray, frame: Frame) -> np.ndarray:
    nearest = int(np.abs(stamps - frame.stamp).argmin())
    if abs(int(stamps[nearest]) - frame.stamp) > 1_000_000:
        raise ValueError(f'the frame at {frame.stamp} ns has no true pose')
    return np.asarray(poses[nearest])


def blurred(pairs: list[Pair], length: float) -> list[Pair]:
    """Return the pairs with a motion blur of ``length`` pixels, in a direction of its own each."""
    rng = np.random.default_rng(1)

    def blur(image: np.ndarray) -> np.ndarray:
        kernel = line_kernel(length, rng.uniform(0, math.pi))
        return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE)

    return [replace(pair, image0=blur(pair.image0), image1=blur(pair.image1)) for pair in pairs]


def line_kernel(length: float, angle: float) -> np.ndarray:
    """Return a kernel that sums to one: a line of ``length`` pixels at ``angle`` radians."""
    side = 2 * math.ceil(length / 2) + 3
    middle = (side - 1) / 2
    # Points along the line, each shared out among the four pixels around it.
    along = (np.arange(64) + 0.5) / 64 * length - length / 2
    x, y = middle + along * math.cos(angle), middle + along * math.sin(angle)
    kernel = np.zeros((side, side))
    for right in (0, 1):
        for down in (0, 1):
            column, row = np.floor(x).astype(int) + right, np.floor(y).astype(int) + down
            np.add.at(kernel, (row, column), (1 - abs(x - column)) * (1 - abs(y - row)))
    return kernel / kernel.sum()


def darkened(pairs: list[Pair], gain: float = 0.25, noise: float = 2.0) -> list[Pair]:
    """Return the pairs with less light and noise of ``noise`` grey levels."""
    rng = np.random.default_rng(2)

    def darken(image: np.ndarray) -> np.ndarray:
        noisy = image * gain + rng.normal(0, noise, image.shape)
        return np.clip(noisy.round(), 0, 255).astype(np.uint8)

    return [
        replace(pair, image0=darken(pair.image0), image1=darken(pair.image1)) for pair in pairs
    ]


def thinned(pairs: list[Pair], most: int) -> list[Pair]:
    """Return at most ``most`` of the pairs, evenly chosen."""
    chosen = np.linspace(0, len(pairs) - 1, min(most, len(pairs))).round().astype(int)
    return [pairs[index] for index in chosen]


def strangers(groups: list[list[Pair]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pictures of different places: one of each group with one of every other."""
    for index, group in enumerate(groups):
        for other in groups[index + 1 :]:
            for place in (0, len(group) // 2, len(group) - 1):
                yield group[place].image0, other[place % len(other)].image1
