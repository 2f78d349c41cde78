# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Good pictures for as long as they are wanted: a camera that goes forth and back in a room."""

from __future__ import annotations

import itertools

import numpy as np

from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.rotation import rotation_vector
from loftr_vo.imaging.frame import Frame
from loftr_vo.synthetic.sequence import SyntheticSequence

# In the camera at the first frame, which looks along the horizon: its y axis points down.
_UP = np.array([0.0, -9.81, 0.0])
PERIOD = 200_000_000  # nanoseconds from one picture to the next
_RATE = 5.0


class Scene:
    """Frames of a rendered room; each is rendered when it is first asked for, and kept.

    Args:
        size: (H, W) in pixels.
        frames: until the camera turns back.
        seed: of the room.
    """

    def __init__(self, size: tuple[int, int], frames: int = 10, seed: int = 0) -> None:
        self._sequence = SyntheticSequence('room', frames, size, _RATE, seed)
        self._sequence.provide('depth')
        self._frames: dict[int, Frame] = {}
        self._order = itertools.cycle([*range(frames), *range(frames - 2, 0, -1)])
        self.camera = self._sequence.camera
        self.index = self.before = 0

    def next(self) -> Frame:
        """Return the frame after the last one; it is at ``index``, the last one at ``before``."""
        self.before, self.index = self.index, next(self._order)
        return self.frame(self.index)

    def frame(self, index: int) -> Frame:
        """Return one frame, with the depth that a depth camera sees."""
        if index not in self._frames:
            self._frames[index] = self._sequence.frame(index)
        return self._frames[index]

    def imu(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what an IMU at the camera measures from the frame before to the last one.

        Returns:
            (3,) the mean turn rate in rad/s, and (3,) the specific force of a camera that is not
            accelerated, in m/s^2; both in the camera's axes.
        """
        truth = self._sequence.ground_truth
        assert truth is not None  # rendered
        before, now = (truth.poses[index][:3, :3] for index in (self.before, self.index))
        turn = rotation_vector(before.T @ now) / (PERIOD * 1e-9)
        return turn, now.T @ truth.poses[0][:3, :3] @ _UP

    def base_pose(self, index: int) -> np.ndarray:
        """(4, 4) metres: where exact wheels have the base at a frame; x forward, z up."""
        truth = self._sequence.ground_truth
        assert truth is not None  # rendered
        pose: np.ndarray = BODY_FROM_OPTICAL @ truth.poses[index] @ BODY_FROM_OPTICAL.T
        return pose
